/**
 * Keeps a share of the negatives, so that a stream in which one impression in a hundred is clicked does not spend
 * its training on the other ninety-nine.
 *
 * Whether one example is kept is a function of (seed, ranking, row), not of the order of arrival: a joiner that
 * replays its log after a restart decides the same again.
 *
 * Training makes up for the rest: a model of one label by its log-odds, which every example then bears, a model of
 * several tasks by counting each example as often as it stands for others (kernels/dense/losses.ts).
 *
 * @see Liu et al., "Monolith", 2022, section 2.2.2 (log odds correction)
 */
import type { JoinerOptions } from "./options.ts";
import { fnv1a, FNV_OFFSET_BASIS } from "../../structures/fnv1a.ts";

/** Decides which negatives become examples, and what examples say of it. */
export class NegativeSampling {
  readonly #logRate: number;
  readonly #onAll: boolean;
  readonly #threshold: number;
  readonly #seed: number;

  constructor(options: JoinerOptions["negativeSampling"]) {
    this.#logRate = Math.log(options.rate);
    this.#onAll = options.correction === "logOdds";
    this.#threshold = options.rate * 2 ** 32;
    this.#seed = options.seed;
  }

  /** What an example bears, negative in all tasks or not. */
  logSampleRate(isNegative: boolean): number {
    return isNegative || this.#onAll ? this.#logRate : 0;
  }

  /** Stands for the ranking in {@link keeps}. */
  keyOf(rankingId: string): number {
    return fnv1a(rankingId, this.#seed ^ FNV_OFFSET_BASIS);
  }

  /** Whether the negative example of the row in the ranking of that key is kept. */
  keeps(key: number, row: number): boolean {
    return mix(mix(key) + Math.imul(row, GOLDEN_RATIO)) < this.#threshold;
  }
}

/** 2^32 / φ, odd: its multiples lie far apart. */
const GOLDEN_RATIO = 0x9e3779b9;

/** Final mix of MurmurHash3: FNV alone leaves the high bits of short names alike. */
function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
