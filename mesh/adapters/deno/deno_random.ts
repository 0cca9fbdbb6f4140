/**
 * Randomness of production: the cryptographic generator for identifiers, `Math.random` for the
 * streams.
 */
import type { Random, RandomStream } from "../../ports/random.ts";

export class DenoRandom implements Random {
  readonly #stream: RandomStream = {
    nextFloat: () => Math.random(),
    nextUint32: () => Math.floor(Math.random() * 2 ** 32),
  };

  /** All purposes share one stream, because production need not repeat its draws. */
  stream(_name: string): RandomStream {
    return this.#stream;
  }

  uuid(): string {
    return crypto.randomUUID();
  }
}
