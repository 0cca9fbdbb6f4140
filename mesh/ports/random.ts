/**
 * Randomness, as actors see it.
 *
 * Each purpose draws from a stream of its own, derived from (seed, name): one more draw for one purpose
 * disturbs no other, so a simulated run stays comparable after a change.
 */
export interface RandomStream {
  /** Uniform in [0, 1). */
  nextFloat(): number;
  /** Uniform in [0, 2^32). */
  nextUint32(): number;
}

/** Streams by purpose. */
export interface Random {
  /** The stream for one purpose, e.g. `"joiner/negative_sampling"`; the same name continues the same stream. */
  stream(name: string): RandomStream;
  /** A fresh identifier, unique across the mesh (a UUID in production). */
  uuid(): string;
}
