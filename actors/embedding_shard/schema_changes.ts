/**
 * The changes of rows that a shard restores into tables of another schema, in the configuration's
 * words. Collected over all parts of the snapshot that the shard reads.
 */
import type { ClassRestoreReport } from "../../kernels/embedding/class_restore.ts";

/** Names by the slot's number in the ids. */
type SlotNames = Readonly<Record<number, string>>;

const SLICE_LISTS = [
  "slicesAdded",
  "slicesResized",
  "slicesRemoved",
  "slicesStateReset",
] as const;
const LISTS = ["slotsAdded", "slotsRemoved", "slotsRenamed", ...SLICE_LISTS] as const;

export class SchemaChanges {
  readonly #slotNames: SlotNames;
  /** Sets, since every part reports the same changes. */
  readonly #lists: Readonly<Record<typeof LISTS[number], Set<string>>> = {
    slotsAdded: new Set(),
    slotsRemoved: new Set(),
    slotsRenamed: new Set(),
    slicesAdded: new Set(),
    slicesResized: new Set(),
    slicesRemoved: new Set(),
    slicesStateReset: new Set(),
  };
  #rowsOfRemovedSlots = 0;

  /** @param slotNames The names of the current schema. */
  constructor(slotNames: SlotNames) {
    this.#slotNames = slotNames;
  }

  /** @param namesBefore The names in the part's header. */
  add(report: ClassRestoreReport, namesBefore: SlotNames): void {
    this.#rowsOfRemovedSlots += report.rowsOfRemovedSlots;
    const before = (slot: number) => namesBefore[slot] ?? `slot ${slot}`;
    const now = (slot: number) => this.#slotNames[slot] ?? before(slot);
    this.#add("slotsAdded", report.slotsAdded.map(now));
    // With the number: a slot of another name that takes it gets the rows back.
    this.#add(
      "slotsRemoved",
      report.slotsRemoved.map((slot) => `${before(slot)} (slot: ${slot})`),
    );
    const renamed = Object.keys(namesBefore).map(Number)
      .filter((slot) => now(slot) !== before(slot));
    this.#add("slotsRenamed", renamed.map((slot) => `${before(slot)} -> ${now(slot)}`));
    for (const list of SLICE_LISTS) {
      this.#add(list, report[list].map((slice) => named(slice, now)));
    }
  }

  get any(): boolean {
    return this.#rowsOfRemovedSlots > 0 || LISTS.some((list) => this.#lists[list].size > 0);
  }

  /** Fields of a log line, without empty lists. */
  fields(): Record<string, unknown> {
    const changed = LISTS.filter((list) => this.#lists[list].size > 0);
    return {
      ...Object.fromEntries(changed.map((list) => [list, [...this.#lists[list]]])),
      rowsOfRemovedSlots: this.#rowsOfRemovedSlots,
    };
  }

  #add(list: typeof LISTS[number], changes: readonly string[]): void {
    for (const change of changes) this.#lists[list].add(change);
  }
}

/** Replaces the numbers in `embeddings of slots 7, 9` by the slots' names. */
function named(slice: string, nameOf: (slot: number) => string): string {
  return slice.replace(
    / of slots ([\d, ]+)$/,
    (_, slots: string) => ` of ${slots.split(", ").map((slot) => nameOf(+slot)).join(", ")}`,
  );
}
