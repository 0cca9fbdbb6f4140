/**
 * Keeps a share of the negatives. Where one shown item in a hundred is clicked, training on all of
 * the other ninety-nine costs much and teaches little.
 *
 * The decision on an example is a function of (seed, ranking, row), not of the order of arrival: a
 * joiner that replays its log decides the same again.
 *
 * Training corrects for the dropped negatives (kernels/dense/losses.ts). A model of one task shifts
 * the logit by the log-odds correction; a model of several tasks weights each example by the number
 * of examples it stands for.
 *
 * @see Liu et al., "Monolith", 2022, section 2.2.2 (log odds correction)
 */
import type { JoinerOptions } from "./options.ts";
import { fnv1a, FNV_OFFSET_BASIS } from "../../structures/fnv1a.ts";

/** Decides which negatives become examples, and the sample rate that examples carry. */
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

  /**
   * ln(sample rate) of an example.
   *
   * @param isNegative Whether it is negative in all tasks.
   * @param rowsLogRate ln(share) of the items without an action that the ranking's rows hold.
   */
  logSampleRate(isNegative: boolean, rowsLogRate = 0): number {
    return isNegative || this.#onAll ? this.#logRate + rowsLogRate : 0;
  }

  /** The ranking's key for {@link keeps}. */
  keyOf(rankingId: string): number {
    return mix(fnv1a(rankingId, this.#seed ^ FNV_OFFSET_BASIS));
  }

  /** Whether the negative example in this row of the ranking becomes one. */
  keeps(key: number, row: number): boolean {
    return mix(key + Math.imul(row, GOLDEN_RATIO)) < this.#threshold;
  }
}

/** 2^32 / φ, odd: its multiples modulo 2^32 spread evenly. */
const GOLDEN_RATIO = 0x9e3779b9;

/** Final mix of MurmurHash3: FNV alone leaves the high bits of short names alike. */
function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
