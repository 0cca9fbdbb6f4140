/**
 * Profiles in memory, for `storage: memory`, tests and the simulation.
 */
import type { Clock } from "../../ports/clock.ts";
import {
  type Attributes,
  isUnchanged,
  type Profile,
  type ProfileKind,
  type ProfilePage,
  profilesFull,
  type ProfileStore,
  ProfileStoreUnavailableError,
} from "../../ports/profile_store.ts";
import { Listeners } from "../../runtime/listeners.ts";

export class MemoryProfileStore implements ProfileStore {
  readonly isLocal = true;
  readonly #clock: Clock;
  readonly #profiles = {
    user: new Map<string, Profile>(),
    item: new Map<string, Profile>(),
  };
  readonly #listeners = {
    user: new Listeners<[id: string | undefined]>(),
    item: new Listeners<[id: string | undefined]>(),
  };

  /** The ids in order, until one is added or deleted. */
  readonly #ordered: Partial<Record<ProfileKind, string[]>> = {};
  readonly #bytesMax: number;
  #bytes = 0;

  /** @param bytesMax Limit of ids and attributes as JSON, in UTF-16 units. */
  constructor(clock: Clock, bytesMax = Infinity) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
  }

  load(): Promise<void> {
    return Promise.resolve();
  }

  read(kind: ProfileKind, id: string): Promise<Profile | undefined> {
    return Promise.resolve(this.get(kind, id));
  }

  get(kind: ProfileKind, id: string): Profile | undefined {
    return this.#profiles[kind].get(id);
  }

  getMany(kind: ProfileKind, ids: readonly string[]): (Profile | undefined)[] {
    return ids.map((id) => this.get(kind, id));
  }

  onChanged(kind: ProfileKind, listener: (id: string | undefined) => void): () => void {
    return this.#listeners[kind].add(listener);
  }

  put(kind: ProfileKind, id: string, attributes: Attributes): Promise<Profile> {
    const profile: Profile = {
      id,
      attributes: structuredClone(attributes),
      updatedAtMs: this.#clock.nowMs(),
      version: (this.get(kind, id)?.version ?? 0) + 1,
    };
    const bytes = this.#bytes + sizeOf(profile) - sizeOf(this.get(kind, id));
    if (bytes > this.#bytesMax && bytes > this.#bytes) {
      const full = new Error("the memory for profiles is full");
      const remedy = profilesFull(this.#bytesMax);
      return Promise.reject(new ProfileStoreUnavailableError("the profiles", full, remedy));
    }
    this.#bytes = bytes;
    if (profile.version === 1) delete this.#ordered[kind];
    this.#profiles[kind].set(id, profile);
    this.#listeners[kind].tell(id);
    return Promise.resolve(profile);
  }

  replace(
    kind: ProfileKind,
    before: Profile,
    attributes: Attributes,
  ): Promise<Profile | undefined> {
    const present = this.get(kind, before.id);
    return isUnchanged(present, before)
      ? this.put(kind, before.id, attributes)
      : Promise.resolve(undefined);
  }

  delete(kind: ProfileKind, id: string): Promise<boolean> {
    this.#bytes -= sizeOf(this.get(kind, id));
    const existed = this.#profiles[kind].delete(id);
    delete this.#ordered[kind];
    this.#listeners[kind].tell(id);
    return Promise.resolve(existed);
  }

  list(kind: ProfileKind, after: string | undefined, limit: number): Promise<ProfilePage> {
    const ids = this.#ordered[kind] ??= [...this.#profiles[kind].keys()].sort();
    let [low, high] = [0, ids.length];
    while (after !== undefined && low < high) {
      const middle = (low + high) >>> 1;
      if (ids[middle] > after) high = middle;
      else low = middle + 1;
    }
    const profiles = ids.slice(low, low + limit).flatMap((id) => this.get(kind, id) ?? []);
    return Promise.resolve({ profiles, next: profiles.at(-1)?.id });
  }

  count(kind: ProfileKind): number {
    return this.#profiles[kind].size;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Size of a profile in the units of the limit; 0 where there is none. */
function sizeOf(profile: Profile | undefined): number {
  if (profile === undefined) return 0;
  return profile.id.length + JSON.stringify(profile.attributes).length;
}
