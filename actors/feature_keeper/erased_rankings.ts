/**
 * The user of each ranking, without erased users. An erasure takes effect at once; the rankings
 * that name the user are cleared some at a time, because there may be a million of them.
 */
import type { KeptEntry, KeptTable, SavedEntry } from "./kept_table.ts";

/** Rankings whose users are cleared. */
interface Clearing {
  readonly entries: Iterator<KeptEntry<string>>;
  /** The last record when it began. */
  readonly through: number;
}

export class ErasedRankings {
  readonly #rankings: KeptTable<string, string>;
  /** Erased users that some rankings may still name, with the record of their erasure. */
  readonly #erased = new Map<string, number>();
  /** Erased users that no ranking names; a save under way may still hold copies that do. */
  readonly #cleared = new Set<string>();
  #clearing: Clearing | undefined;
  #isSaving = false;
  /** The last record that the save under way has. */
  #savedThrough = 0;

  constructor(rankings: KeptTable<string, string>) {
    this.#rankings = rankings;
  }

  /** The user of a ranking; the empty text for none, undefined for an unknown ranking. */
  userOf(rankingId: string): string | undefined {
    const entry = this.#rankings.entry(rankingId);
    return entry && (this.#isErased(entry.value, entry.touched) ? "" : entry.value);
  }

  /** @param record Number of the record that erases the user. */
  erase(user: string, record: number): void {
    if (user === "") return;
    this.#erased.set(user, record);
    this.#cleared.delete(user);
  }

  /** Whether rankings are left to be cleared. */
  get isClearing(): boolean {
    return this.#erased.size > this.#cleared.size;
  }

  /** Clears the next rankings, at most so many. @param records Records taken so far. */
  clear(entriesMax: number, records: number): void {
    if (!this.isClearing) return;
    this.#clearing ??= { entries: this.#rankings.entries(), through: records };
    const { entries, through } = this.#clearing;
    for (let i = 0; i < entriesMax; i++) {
      const { value: entry, done } = entries.next();
      // Rankings are in the order of their records; later ones are of users that came again.
      if (done || entry.touched > through) return this.#end(through);
      const record = this.#erased.get(entry.value);
      if (record === undefined || entry.touched > record) continue;
      this.#rankings.replace(entry, "", record);
    }
  }

  beginSave(records: number): void {
    this.#savedThrough = records;
    this.#isSaving = true;
  }

  endSave(): void {
    this.#isSaving = false;
    this.#dropCleared();
  }

  /** The entries of a save without the users that were erased before it began. */
  saved(entries: SavedEntry<string>[]): SavedEntry<string>[] {
    if (this.#erased.size === 0) return entries;
    return entries.map(([key, touched, user]) => {
      const record = this.#erased.get(user) ?? -1;
      return [key, touched, touched <= record && record <= this.#savedThrough ? "" : user];
    });
  }

  #isErased(user: string, touched: number): boolean {
    const record = this.#erased.get(user);
    return record !== undefined && touched <= record;
  }

  #end(through: number): void {
    this.#clearing?.entries.return?.();
    this.#clearing = undefined;
    for (const [user, record] of this.#erased) if (record <= through) this.#cleared.add(user);
    this.#dropCleared();
  }

  #dropCleared(): void {
    if (this.#isSaving) return;
    for (const user of this.#cleared) this.#erased.delete(user);
    this.#cleared.clear();
  }
}
