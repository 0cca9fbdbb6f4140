/**
 * What a snapshot's rows lost and gained on their way into today's tables, in the words of the configuration: one account
 * for all parts that a shard takes its rows from.
 */
import type { ClassRestoreReport } from "../../kernels/embedding/class_restore.ts";

const LISTS = [
  "slotsAdded",
  "slotsRemoved",
  "segmentsAdded",
  "segmentsResized",
  "segmentsRemoved",
  "segmentsStateReset",
] as const;

export class SchemaChanges {
  readonly #slotNames: Readonly<Record<number, string>>;
  /** Every part has seen the same slots, so each change is told once. */
  readonly #lists = new Map(LISTS.map((list) => [list, new Set<string>()]));
  #rowsOfRemovedSlots = 0;

  /** @param slotNames By number, those of now; one that is gone has only its number. */
  constructor(slotNames: Readonly<Record<number, string>>) {
    this.#slotNames = slotNames;
  }

  add(report: ClassRestoreReport): void {
    this.#rowsOfRemovedSlots += report.rowsOfRemovedSlots;
    for (const [list, told] of this.#lists) {
      for (const change of report[list]) {
        told.add(typeof change === "number" ? this.#nameOf(change) : this.#named(change));
      }
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

  #nameOf(slot: number): string {
    return this.#slotNames[slot] ?? `slot ${slot}`;
  }

  /** `embeddings of slots 7, 9` with the slots' names. */
  #named(segment: string): string {
    return segment.replace(
      / of slots ([\d, ]+)$/,
      (_, slots: string) =>
        ` of ${slots.split(", ").map((slot) => this.#nameOf(+slot)).join(", ")}`,
    );
  }
}
