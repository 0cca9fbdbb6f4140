/**
 * The messages of a catalogue, which carries the stored items to a retriever.
 */
import type { Attributes } from "../../mesh/ports/profile_store.ts";

/** An item as the profile store has it now; without attributes it was deleted. */
export interface CatalogueItem {
  readonly id: string;
  readonly attributes: Attributes | undefined;
}

/** Carries the next items. The catalogue sends it to itself. */
export interface CarryItems {
  readonly kind: "carryItems";
}

/** All that a catalogue understands. */
export type CatalogueMessage = CarryItems;
