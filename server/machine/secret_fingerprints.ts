/**
 * Fingerprints of the secrets of a mesh, by which the coordination store tells whether two hosts
 * have one in common. They do not give the secrets away: a guess costs a scrypt (RFC 7914) with the
 * parameters N = 16384, r = 8, p = 1, some 50 ms and 16 MiB.
 */
import { scryptSync } from "node:crypto";
import type { MeshOptions } from "../../configuration/configuration.ts";

/** Bytes of a fingerprint. */
const BYTES = 32;

/** The last fingerprints: a simulated mesh starts hosts with the same secrets again and again. */
let known: { readonly of: string; readonly fingerprints: readonly string[] } | undefined;

/** A fingerprint of each secret, in hexadecimal; that of another mesh with the secret differs. */
export function secretFingerprints(
  { id, secrets }: Pick<MeshOptions, "id" | "secrets">,
): readonly string[] {
  const of = JSON.stringify([id, secrets]);
  if (known?.of !== of) known = { of, fingerprints: secrets.map((each) => fingerprint(id, each)) };
  return known.fingerprints;
}

function fingerprint(id: string, secret: string): string {
  return scryptSync(secret, `cairn mesh ${id}`, BYTES, { N: 16_384, r: 8, p: 1 }).toString("hex");
}
