/**
 * Randomness, as actors see it.
 *
 * Each purpose draws from a stream of its own, derived from (seed, name): a further draw for one
 * purpose changes no other stream, so a simulated run stays comparable after a change.
 */
export interface RandomStream {
  /** Uniform in [0, 1). */
  nextFloat(): number;
  /** Uniform in [0, 2^32). */
  nextUint32(): number;
}

/** Streams by purpose. */
export interface Random {
  /**
   * The stream for one purpose, e.g. `"joiner/negative_sampling"`. The same name continues the same
   * stream.
   */
  stream(name: string): RandomStream;
  /**
   * A fresh identifier, unique across the mesh (a UUID in production).
   *
   * @param purpose The stream to draw from where draws are repeatable, as in {@link stream}.
   */
  uuid(purpose?: string): string;
}
