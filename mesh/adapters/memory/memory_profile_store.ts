/**
 * Profiles in memory, for `storage: memory`, tests and the simulation.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Attributes, Profile, ProfileKind, ProfileStore } from "../../ports/profile_store.ts";
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

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  load(): Promise<void> {
    return Promise.resolve();
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
    this.#profiles[kind].set(id, profile);
    this.#listeners[kind].tell(id);
    return Promise.resolve(profile);
  }

  delete(kind: ProfileKind, id: string): Promise<boolean> {
    const existed = this.#profiles[kind].delete(id);
    this.#listeners[kind].tell(id);
    return Promise.resolve(existed);
  }

  count(kind: ProfileKind): number {
    return this.#profiles[kind].size;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
