/**
 * The traces of a user in stored bytes: the id as text, and the signature of its feature ids in
 * either byte order, and these ids as JSON has them.
 */
import { featureIdOf, signatureOf } from "../records/forgotten.ts";

/** Slots of the tests' configurations are below. */
const SLOTS_MAX = 32;

/** The byte strings that lead to a user. */
export function tracesOf(user: string): ReadonlyMap<string, Uint8Array> {
  const words = new Uint8Array(8);
  const view = new DataView(words.buffer);
  view.setBigUint64(0, BigInt(signatureOf(user)), true);
  const little = words.slice(0, 6);
  return new Map([
    ["text", new TextEncoder().encode(user)],
    ["hash, little-endian", little],
    ["hash, big-endian", little.slice().reverse()],
    ["hash, decimal", new TextEncoder().encode(String(signatureOf(user)))],
    ...Array.from({ length: SLOTS_MAX }, (_, slot) => {
      const id = String(featureIdOf(slot, signatureOf(user)));
      return [`feature id of slot ${slot}, decimal`, new TextEncoder().encode(id)] as const;
    }).slice(1),
  ]);
}
