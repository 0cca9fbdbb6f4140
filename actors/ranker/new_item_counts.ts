/**
 * Counts the positions that new items have in the rankings that are shown.
 */
import type { Counter, Telemetry } from "../../mesh/ports/telemetry.ts";
import type { NewItemPositions } from "../../rules/new_item_positions.ts";

export class NewItemCounts {
  readonly #positions: Counter;

  constructor(telemetry: Telemetry) {
    this.#positions = telemetry.counter("cairn_ranker_new_item_positions_total", {
      help: "Positions of rankings with a rule about new items, by their item.",
      labelNames: ["item"],
    });
  }

  /** Counts one ranking. */
  add({ positions, ranked, moved, missing }: Omit<NewItemPositions, "rows">): void {
    const others = positions - ranked - moved.length - missing;
    // `missing` positions of the quota have other items, because there was no new one.
    for (const [item, count] of Object.entries({ ranked, moved: moved.length, missing, others })) {
      if (count > 0) this.#positions.add(count, { item });
    }
  }
}
