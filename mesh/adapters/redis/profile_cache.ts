/**
 * Profiles of one kind that this process has read, bounded in bytes, each as of a numbered change.
 * An entry without a profile says that there is none.
 */
import type { Profile } from "../../ports/profile_store.ts";

/** A profile, or its absence, as of a change. */
export interface CachedProfile {
  readonly profile: Profile | undefined;
  /** Number of the newest change that the read has seen. */
  readonly asOf: number;
  readonly bytes: number;
}

interface Entry extends CachedProfile {
  /** Whether it was made or read since eviction passed it last. */
  used: boolean;
}

/** Bytes of an entry besides its profile's text. */
const ENTRY_BYTES = 200;
/** Changes whose ids are remembered, for reads that were on the way meanwhile. */
const CHANGES_REMEMBERED = 4_096;

export class ProfileCache {
  readonly #bytesMax: number;
  readonly #entries = new Map<string, Entry>();
  /** Numbers of the newest changes by id, oldest first. */
  readonly #changed = new Map<string, number>();
  /** Changes up to this one are forgotten. */
  #forgottenTo = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The entry; undefined where the profile was not read. */
  get(id: string): CachedProfile | undefined {
    const entry = this.#entries.get(id);
    if (entry) entry.used = true;
    return entry;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Caches a value read as of `asOf`; returns false where a later change is known. */
  set(id: string, profile: Profile | undefined, textBytes: number, asOf: number): boolean {
    const present = this.#entries.get(id);
    if (present && present.asOf > asOf) return false;
    if (asOf < this.#forgottenTo || (this.#changed.get(id) ?? 0) > asOf) return false;
    if (present) this.#bytes -= present.bytes;
    const bytes = ENTRY_BYTES + 2 * id.length + textBytes;
    this.#entries.delete(id);
    this.#entries.set(id, { profile, asOf, bytes, used: true });
    this.#bytes += bytes;
    while (this.#bytes > this.#bytesMax && this.#entries.size > 1) this.#evict();
    return true;
  }

  /** Notes a change of another process: an older entry is dropped. */
  change(id: string, number: number): void {
    this.#changed.delete(id);
    this.#changed.set(id, number);
    if (this.#changed.size > CHANGES_REMEMBERED) {
      const [oldest] = this.#changed;
      this.#changed.delete(oldest[0]);
      this.#forgottenTo = Math.max(this.#forgottenTo, oldest[1]);
    }
    const present = this.#entries.get(id);
    if (present && present.asOf < number) this.#drop(id, present);
  }

  /** Drops all entries, and refuses reads as of a change before `number`. */
  clear(number: number): void {
    this.#entries.clear();
    this.#changed.clear();
    this.#bytes = 0;
    this.#forgottenTo = number;
  }

  /** Drops the oldest entry that was not read since the last pass. */
  #evict(): void {
    for (const [id, entry] of this.#entries) {
      if (!entry.used) return this.#drop(id, entry);
      entry.used = false;
      this.#entries.delete(id);
      this.#entries.set(id, entry);
    }
  }

  #drop(id: string, entry: Entry): void {
    this.#entries.delete(id);
    this.#bytes -= entry.bytes;
  }
}
