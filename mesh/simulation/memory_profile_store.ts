/**
 * Profiles in memory: for tests, and for the simulation.
 */
import type { Clock } from "../ports/clock.ts";
import type { Attributes, Profile, ProfileKind, ProfileStore } from "../ports/profile_store.ts";

export class MemoryProfileStore implements ProfileStore {
  readonly #clock: Clock;
  readonly #profiles = {
    user: new Map<string, Profile>(),
    item: new Map<string, Profile>(),
  };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(kind: ProfileKind, id: string): Profile | undefined {
    return this.#profiles[kind].get(id);
  }

  put(kind: ProfileKind, id: string, attributes: Attributes): Promise<Profile> {
    const profile: Profile = {
      id,
      attributes: structuredClone(attributes),
      updatedAtMs: this.#clock.nowMs(),
      version: (this.get(kind, id)?.version ?? 0) + 1,
    };
    this.#profiles[kind].set(id, profile);
    return Promise.resolve(profile);
  }

  delete(kind: ProfileKind, id: string): Promise<boolean> {
    return Promise.resolve(this.#profiles[kind].delete(id));
  }

  count(kind: ProfileKind): number {
    return this.#profiles[kind].size;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
