/**
 * Keeps a share of the negatives, so that a stream in which one impression in a hundred is clicked does not spend
 * its training on the other ninety-nine.
 *
 * Whether one example is kept is a function of (seed, ranking, item), not of the order of arrival: a joiner that
 * replays its log after a restart decides the same again.
 *
 * Keeping negatives at rate r multiplies the odds of a positive by 1/r. The loss therefore sees
 * `logit - ln r` on every example of the stream, positives too (`logSampleRate`), and the raw logit stays
 * unbiased. This is exact for a task whose negatives are all sampled alike; an example that is positive in any task
 * is always kept, so a second task's own negatives among them are over-represented.
 *
 * @see Liu et al., "Monolith", 2022, section 2.2.2 (log odds correction)
 */
export class NegativeSampling {
  /** ln(rate), to be put on each example; 0 where all are kept. */
  readonly logSampleRate: number;
  readonly #threshold: number;
  readonly #seed: number;

  constructor(options: { readonly rate: number; readonly seed: number }) {
    this.logSampleRate = Math.log(options.rate);
    this.#threshold = options.rate * 2 ** 32;
    this.#seed = options.seed;
  }

  /** Whether the negative example of `item` in the ranking is kept. */
  keeps(rankingId: string, item: string): boolean {
    if (this.#threshold >= 2 ** 32) return true;
    return mix(fnv1a(item, fnv1a("\u0000", fnv1a(rankingId, this.#seed ^ 0x811c9dc5)))) <
      this.#threshold;
  }
}

/** FNV-1a over UTF-16 units, from a starting state. */
function fnv1a(text: string, state: number): number {
  for (let i = 0; i < text.length; i++) {
    state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  }
  return state;
}

/** Final mix of MurmurHash3: FNV alone leaves the high bits of short names alike. */
function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
