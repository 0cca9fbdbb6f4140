/**
 * What a snapshot's rows lost and gained on their way into today's tables, in the words of the configuration: one account
 * for all parts that a shard takes its rows from.
 */
import type { ClassRestoreReport } from "../../kernels/embedding/class_restore.ts";

/** By the number in the ids. */
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
  /** Every part has seen the same slots, so each change is told once. */
  readonly #lists = new Map(LISTS.map((list) => [list, new Set<string>()]));
  #rowsOfRemovedSlots = 0;

  /** @param slotNames Those of now. */
  constructor(slotNames: SlotNames) {
    this.#slotNames = slotNames;
  }

  /** @param namesBefore Those of the part. */
  add(report: ClassRestoreReport, namesBefore: SlotNames): void {
    this.#rowsOfRemovedSlots += report.rowsOfRemovedSlots;
    const before = (slot: number) => namesBefore[slot] ?? `slot ${slot}`;
    const now = (slot: number) => this.#slotNames[slot] ?? before(slot);
    this.#tell("slotsAdded", report.slotsAdded.map(now));
    // With the number: whoever gives it to another name has the rows again.
    this.#tell(
      "slotsRemoved",
      report.slotsRemoved.map((slot) => `${before(slot)} (slot: ${slot})`),
    );
    const renamed = Object.keys(namesBefore).map(Number)
      .filter((slot) => now(slot) !== before(slot));
    this.#tell("slotsRenamed", renamed.map((slot) => `${before(slot)} -> ${now(slot)}`));
    for (const list of SLICE_LISTS) {
      this.#tell(list, report[list].map((slice) => named(slice, now)));
    }
  }

  get any(): boolean {
    return this.#rowsOfRemovedSlots > 0 || [...this.#lists.values()].some(({ size }) => size > 0);
  }

  /** For the log: what did not change is left out. */
  fields(): Record<string, unknown> {
    const lists = [...this.#lists].filter(([, { size }]) => size > 0);
    return {
      ...Object.fromEntries(lists.map(([list, told]) => [list, [...told]])),
      rowsOfRemovedSlots: this.#rowsOfRemovedSlots,
    };
  }

  #tell(list: typeof LISTS[number], changes: readonly string[]): void {
    for (const change of changes) this.#lists.get(list)!.add(change);
  }
}

/** `embeddings of slots 7, 9` with the slots' names. */
function named(slice: string, nameOf: (slot: number) => string): string {
  return slice.replace(
    / of slots ([\d, ]+)$/,
    (_, slots: string) => ` of ${slots.split(", ").map((slot) => nameOf(+slot)).join(", ")}`,
  );
}
