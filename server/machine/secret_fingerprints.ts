/**
 * Fingerprints of the secrets of a mesh, by which the coordination store tells whether two hosts
 * have one in common. They do not give the secrets away: a guess costs a scrypt (RFC 7914) with the
 * parameters N = 16384, r = 8, p = 1, some 50 ms and 16 MiB.
 */
import { scryptSync } from "node:crypto";
import type { MeshOptions } from "../../configuration/configuration.ts";

/** Bytes of a fingerprint. */
const BYTES = 32;

/** A fingerprint of each secret, in hexadecimal; that of another mesh with the secret differs. */
export function secretFingerprints({ id, secrets }: Pick<MeshOptions, "id" | "secrets">): string[] {
  return secrets.map((secret) =>
    scryptSync(secret, `cairn mesh ${id}`, BYTES, { N: 16_384, r: 8, p: 1 }).toString("hex")
  );
}
