/**
 * The messages of a catalogue, which carries the stored items to a retriever.
 */

/** Carries the next items. The catalogue sends it to itself. */
export interface CarryItems {
  readonly kind: "carryItems";
}

/** All that a catalogue understands. */
export type CatalogueMessage = CarryItems;
