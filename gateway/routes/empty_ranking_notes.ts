/**
 * Notes on rankings without items: an empty answer is right, and often not the one that was wanted.
 */
import { counted } from "../../structures/counted.ts";

/** @param candidates Number of candidates of the request. */
export function noteOnLeftOut(candidates: number): string {
  const all = candidates === 1 ? "the only candidate" : `all ${candidates} candidates`;
  return `The rules left out ${all}, and the ranking was not logged; "explain": true says which ` +
    "rule left out which.";
}

/** @param stored Number of stored items. */
export function noteOnNothingFound(stored: number): string {
  if (stored === 0) {
    return "No item is stored, so none can be recommended: PUT /v1/items/{id} stores one, and " +
      "POST /v1/items many.";
  }
  return `Of ${
    counted(stored, "stored item")
  } the sources found none that the rules let through. ` +
    "A condition on an attribute that an item lacks does not hold; items are found within a " +
    "second after they were stored.";
}
