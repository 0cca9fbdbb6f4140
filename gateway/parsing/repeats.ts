/**
 * Finds ids that are sent twice. A Set of strings makes V8 look each of them up among all strings that it keeps one copy
 * of, which for a hundred ids out of a million costs ten times as much as comparing their fingerprints.
 */
import { fingerprintOf } from "../../structures/fingerprint.ts";
import { candidatesMax } from "../options.ts";

/** Fingerprints by their lowest bits, with linear probing; 0 = free. Filled anew for each request. */
const slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * candidatesMax)));
const mask = slots.length - 1;

/** A candidate whose id was sent before it. */
export interface Repeat {
  readonly place: number;
  /** The first one with this id. */
  readonly earlier: number;
}

/** @param sent At most {@link candidatesMax}. */
export function repeatsIn(sent: readonly { readonly id: string }[]): readonly Repeat[] {
  if (!mayRepeat(sent)) return [];
  const first = new Map<string, number>();
  return sent.flatMap(({ id }, place) => {
    const earlier = first.get(id);
    if (earlier === undefined) first.set(id, place);
    return earlier === undefined ? [] : [{ place, earlier }];
  });
}

/** Two different ids may have the same fingerprint. */
function mayRepeat(sent: readonly { readonly id: string }[]): boolean {
  slots.fill(0);
  for (let i = 0; i < sent.length; i++) {
    const fingerprint = fingerprintOf(sent[i].id).low || 1;
    let slot = fingerprint & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      if (slots[slot] === fingerprint) return true;
    }
    slots[slot] = fingerprint;
  }
  return false;
}
