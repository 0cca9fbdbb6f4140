/**
 * An erased user, as the example log and the trainers know it: by its signature, without the id.
 */
import { FeatureHasher } from "../kernels/embedding/feature_hasher.ts";
import type { ErasurePass } from "./erasure.ts";

/** One erasure, in a chunk of the example log. */
export interface Forgotten {
  /** Id of the receipt. */
  readonly erasureId: string;
  readonly pass: ErasurePass;
  /** Lower 48 bits of the feature ids that the user's id has in any slot. */
  readonly signature: number;
}

/** Bits of a feature id below its slot number. */
const SIGNATURE_BITS = 48;
/** Any slot number: its bits are masked. */
const ANY_SLOT = Uint16Array.of(1);

let hasher: FeatureHasher | undefined;

/** The signature of a user's id: the same in all slots. */
export function signatureOf(user: string): number {
  hasher ??= FeatureHasher.create();
  const utf8 = new TextEncoder().encode(user);
  const [hashed] = hasher.hash(ANY_SLOT, utf8, Uint32Array.of(0, utf8.length));
  return Number(BigInt.asUintN(SIGNATURE_BITS, hashed));
}

/** The feature id of a signature in a slot. */
export function featureIdOf(slot: number, signature: number): bigint {
  return BigInt(slot) << BigInt(SIGNATURE_BITS) | BigInt(signature);
}
