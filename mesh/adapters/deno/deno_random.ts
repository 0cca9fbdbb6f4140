/**
 * Randomness of production: the platform's generator for identifiers, a fast one seeded from it for the streams.
 */
import type { Random, RandomStream } from "../../ports/random.ts";

export class DenoRandom implements Random {
  readonly #stream: RandomStream = {
    nextFloat: () => Math.random(),
    nextUint32: () => Math.floor(Math.random() * 2 ** 32),
  };

  /** Streams need not be repeatable here, so all purposes share one. */
  stream(_name: string): RandomStream {
    return this.#stream;
  }

  uuid(): string {
    return crypto.randomUUID();
  }
}
