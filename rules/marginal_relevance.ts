/**
 * Maximal marginal relevance: each next item is the one with the best weighted sum of its own score
 * and its difference from the items before it.
 *
 * @see Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents
 * and Producing Summaries", SIGIR 1998
 */

/** Vectors of items, of which a cosine says how alike two items are. */
export interface ItemVectors {
  readonly dim: number;
  /** Floats from one vector to the next; at least `dim`. */
  readonly stride: number;
  /** `[items, stride]` */
  readonly values: Float32Array;
}

export interface MarginalRelevance {
  /** Items to order, the best first. */
  readonly rows: Uint32Array;
  /** By entry of `rows`, descending. */
  readonly scores: readonly number[];
  readonly vectors: ItemVectors;
  /** Weight of the score, 0 to 1; the rest is the weight of the difference. */
  readonly lambda: number;
  /** Positions that are chosen; further items keep their order. */
  readonly top: number;
}

/** The order of {@link MarginalRelevance.rows} by marginal relevance. */
export function byMarginalRelevance(
  { rows, scores, vectors, lambda, top }: MarginalRelevance,
): Uint32Array {
  const count = rows.length;
  const units = unitVectors(rows, vectors);
  const relevance = scaledToOne(scores);
  /** The greatest cosine with an item that was chosen; below all cosines at first. */
  const nearest = new Float64Array(count).fill(-1);
  const left = new Set(rows.keys());
  const order: number[] = [];
  while (order.length < Math.min(top, count)) {
    let best = -1;
    let bestValue = -Infinity;
    for (const i of left) {
      const value = lambda * relevance[i] - (1 - lambda) * nearest[i];
      if (value > bestValue) [best, bestValue] = [i, value];
    }
    left.delete(best);
    order.push(rows[best]);
    for (const i of left) nearest[i] = Math.max(nearest[i], product(units, best, i, vectors.dim));
  }
  return Uint32Array.from([...order, ...Array.from(left, (i) => rows[i])]);
}

/** The vectors of the rows with length 1; zeros for a vector of zeros, or of no finite length. */
function unitVectors(rows: Uint32Array, { dim, stride, values }: ItemVectors): Float64Array {
  const units = new Float64Array(rows.length * dim);
  rows.forEach((row, i) => {
    let squares = 0;
    for (let n = 0; n < dim; n++) squares += values[row * stride + n] ** 2;
    if (squares === 0 || !Number.isFinite(squares)) return;
    const scale = 1 / Math.sqrt(squares);
    for (let n = 0; n < dim; n++) units[i * dim + n] = values[row * stride + n] * scale;
  });
  return units;
}

function product(units: Float64Array, a: number, b: number, dim: number): number {
  let sum = 0;
  for (let n = 0; n < dim; n++) sum += units[a * dim + n] * units[b * dim + n];
  return sum;
}

/** Finite scores between 0 and 1, so that they can be weighed against cosines. */
function scaledToOne(scores: readonly number[]): number[] {
  const finite = scores.filter(Number.isFinite);
  const [least, greatest] = [Math.min(...finite), Math.max(...finite)];
  const range = greatest - least;
  return scores.map((score) => {
    if (!Number.isFinite(score)) return 0;
    return range > 0 ? (score - least) / range : 1;
  });
}
