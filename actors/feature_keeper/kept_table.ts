/**
 * A table of keys in the order of their last records, with its memory counted, that can be saved in
 * parts while it changes: an entry that changes before its part was written is copied first.
 */
import { invariant } from "../../structures/invariant.ts";
import { EntryOrder, type Ordered } from "./entry_order.ts";
import { mergedEntries } from "./merged_entries.ts";
import { SplitMap } from "./split_map.ts";

/** A key with its value. */
export interface KeptEntry<V> extends Ordered<KeptEntry<V>> {
  readonly key: string;
  value: V;
  /** Number of the last record about the key. */
  touched: number;
  /** The save that has the entry. */
  savedBy: number;
  /** Counted memory. */
  bytes: number;
}

/** An entry as plain data: key, number of the last record, value. */
export type SavedEntry<S> = readonly [key: string, touched: number, value: S];

/** How values are counted, and copied for a save. */
export interface ValueForm<V, S> {
  /** Memory of a value without its key, bytes. */
  bytesOf(value: V): number;
  /** The value as plain data that later changes do not reach. */
  saved(value: V): S;
  restored(saved: S): V;
}

/** Memory of an entry without key and value: the object and its share of the map, measured. */
const ENTRY_BYTES = 104;

/** Entries that are taken over at once: a few milliseconds. */
const ENTRIES_PER_STEP = 1_000;

/** Memory of a text, bytes; most ids are ASCII, which takes a byte a character. */
export function textBytes(text: string): number {
  return 16 + 2 * text.length;
}

export class KeptTable<V, S> {
  readonly #form: ValueForm<V, S>;
  readonly #entries = new SplitMap<KeptEntry<V>>();
  /** From the oldest entry to the newest. */
  readonly #order = new EntryOrder<KeptEntry<V>>();
  #bytes = 0;
  #save = 0;
  #unsaved: ReturnType<EntryOrder<KeptEntry<V>>["entries"]> | undefined;
  /** The last record that the save has. */
  #savedThrough = 0;
  /** Entries that changed before they were saved, as they were. */
  #copies: { readonly entry: SavedEntry<S>; readonly bytes: number }[] = [];

  constructor(form: ValueForm<V, S>) {
    this.#form = form;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Counted memory, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)?.value;
  }

  entry(key: string): KeptEntry<V> | undefined {
    return this.#entries.get(key);
  }

  /** The key whose last record is the oldest. */
  oldest(): KeptEntry<V> | undefined {
    return this.#order.first;
  }

  /** See {@link EntryOrder.entries}. */
  entries(): ReturnType<EntryOrder<KeptEntry<V>>["entries"]> {
    return this.#order.entries();
  }

  /**
   * The entry of a key, made the newest, for the caller to change and then to {@link close}.
   *
   * @param record Number of the record about the key, ascending.
   */
  open(key: string, record: number, create: () => V): KeptEntry<V> {
    const known = this.#entries.get(key);
    if (known === undefined) {
      const entry: KeptEntry<V> = {
        key,
        value: create(),
        touched: record,
        savedBy: this.#save,
        bytes: 0,
        before: undefined,
        after: undefined,
      };
      this.#entries.add(key, entry);
      this.#order.append(entry);
      return entry;
    }
    this.#copyUnsaved(known);
    if (known.touched !== record) {
      this.#order.remove(known);
      this.#order.append(known);
      known.touched = record;
    }
    return known;
  }

  /** Counts the memory of an entry that has changed. */
  close(entry: KeptEntry<V>): void {
    const bytes = ENTRY_BYTES + textBytes(entry.key) + this.#form.bytesOf(entry.value);
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
  }

  /** Drops a key, if there is an entry of it. */
  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.drop(entry);
  }

  /**
   * Replaces the value of an entry, which keeps its order.
   *
   * @param record The record that replaces it. A save that has this record gets the new value.
   */
  replace(entry: KeptEntry<V>, by: V, record: number): void {
    if (record > this.#savedThrough) this.#copyUnsaved(entry);
    entry.value = by;
    this.close(entry);
  }

  /** Removes an entry; a save under way still gets it. */
  drop(entry: KeptEntry<V>): void {
    this.#copyUnsaved(entry);
    this.#entries.delete(entry.key);
    this.#order.remove(entry);
    this.#bytes -= entry.bytes;
  }

  /** Begins a save of the entries as they are now. */
  beginSave(record: number): void {
    this.#save++;
    this.#savedThrough = record;
    this.#copies = [];
    this.#endUnsaved();
    this.#unsaved = this.#order.entries();
  }

  /** The next entries of the save, of about so many bytes; empty at the end. */
  nextSaved(bytesMax: number): SavedEntry<S>[] {
    const part: SavedEntry<S>[] = [];
    let bytes = 0;
    for (let copy; bytes < bytesMax && (copy = this.#copies.pop()) !== undefined;) {
      part.push(copy.entry);
      bytes += copy.bytes;
    }
    while (this.#unsaved !== undefined && bytes < bytesMax) {
      const { value: entry } = this.#unsaved.next();
      // Entries are in the order of their records, so all after it are newer than the save too.
      if (entry === undefined || entry.touched > this.#savedThrough) {
        this.#endUnsaved();
        break;
      }
      if (entry.savedBy === this.#save) continue;
      entry.savedBy = this.#save;
      part.push([entry.key, entry.touched, this.#form.saved(entry.value)]);
      bytes += entry.bytes;
    }
    return part;
  }

  /** Ends the save; entries that change are not copied any more. */
  endSave(): void {
    this.#endUnsaved();
    this.#copies = [];
  }

  /**
   * Takes over the entries of all parts of a save into an empty table, and yields between some of
   * them.
   */
  *restoring(parts: readonly SavedEntry<S>[][]): Generator<void> {
    invariant(this.size === 0, "a state is restored into an empty table");
    let entries = 0;
    for (const part of parts) {
      part.sort(([, a], [, b]) => a - b);
      entries += part.length;
      if (entries < ENTRIES_PER_STEP) continue;
      entries = 0;
      yield;
    }
    for (const [key, touched, value] of mergedEntries(parts)) {
      this.close(this.open(key, touched, () => this.#form.restored(value)));
      if (this.size % ENTRIES_PER_STEP === 0) yield;
    }
  }

  #endUnsaved(): void {
    this.#unsaved?.return();
    this.#unsaved = undefined;
  }

  #copyUnsaved(entry: KeptEntry<V>): void {
    if (this.#unsaved === undefined || entry.savedBy === this.#save) return;
    entry.savedBy = this.#save;
    const { key, touched, value, bytes } = entry;
    this.#copies.push({ entry: [key, touched, this.#form.saved(value)], bytes });
  }
}
