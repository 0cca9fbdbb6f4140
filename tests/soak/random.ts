/**
 * Seeded choices of a soak run.
 */
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";

export class Choices {
  readonly #stream;

  constructor(seed: number, purpose: string) {
    this.#stream = new SeededRandom(seed).stream(purpose);
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor(this.#stream.nextFloat() * below);
  }

  /** True with this probability. */
  chance(share: number): boolean {
    return this.#stream.nextFloat() < share;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}
