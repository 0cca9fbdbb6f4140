/**
 * The operations that differ between the graph that trains a model and the graph that serves it.
 */
import type { Graph } from "./graph/graph.ts";
import { ROWS, staticDim } from "./graph/shape.ts";
import { sumOfParts } from "./graph/shared_columns.ts";
import type { ParameterValue, Value } from "./graph/value.ts";
import type { Phase } from "./models/model.ts";

/** A dropout mask, which the session draws for each step: elements are 0 or 1 / (1 - rate). */
export interface DropoutMask {
  /** Name of the graph's input. */
  readonly name: string;
  readonly width: number;
  readonly rate: number;
}

/** How a serving graph computes. */
export interface ServingForm {
  /**
   * Whether sums over columns are products with a column of ones (graph/row_sums.ts), and sums over
   * slots products with a matrix of zeros and ones, up to {@link PRODUCT_TERMS_MAX}. On the CPU
   * ONNX Runtime takes down to half as long for them; CUDA would round them to TF32.
   */
  readonly sumsAreProducts: boolean;
}

/**
 * Terms of a sum as a product, for one row: slots · dim². Beyond, the product takes longer than the
 * sum, which has slots · dim terms: 6 times as long for 20 slots of 128.
 */
const PRODUCT_TERMS_MAX = 6_000;

/** Serving: no dropout, and batch normalisation uses the running moments. */
export function servingPhase(g: Graph, { sumsAreProducts }: ServingForm): Phase {
  return {
    dropout: (hidden) => hidden,
    slotSum: (vectors) => {
      const [slots, dim] = slotsAndDim(vectors);
      const isProduct = sumsAreProducts && slots * dim ** 2 <= PRODUCT_TERMS_MAX;
      return isProduct ? slotSumByProduct(g, vectors) : servingSlotSum(g, vectors);
    },
    squareSum: (vectors) => g.reduceSum(g.square(flattened(g, vectors)), [1]),
    moments: (z, mean, variance) => {
      const running = runningMoments(g, z, mean, variance);
      return {
        centered: g.subtract(z, running.mean),
        // Averaging several trainers' variances and adding later changes may give a value below 0.
        variance: g.relu(running.variance),
      };
    },
  };
}

/** The training phase, and its additions to the graph. */
export interface TrainingPhase extends Phase {
  readonly dropoutMasks: readonly DropoutMask[];
  /** Decrease of each of the graph's statistics by this batch, which must not be a part of one. */
  readonly statisticChanges: readonly Value[];
}

/**
 * Share of the newest batch in running means and variances. The running variance uses the unbiased
 * estimate, n / (n - 1) times the batch's, and a batch of one row leaves it alone: otherwise small
 * batches would shrink the variance that serving divides by towards 0.
 *
 * @see Ioffe and Szegedy, "Batch HiddenNormalization", 2015, algorithm 2
 */
const NEWEST_SHARE = 0.1;

/** @param inverseRows 1 / rows, shape `[1, 1]`. */
export function trainingPhase(g: Graph, inverseRows: Value): TrainingPhase {
  const dropoutMasks: DropoutMask[] = [];
  const statisticChanges: Value[] = [];
  const count = (statistic: ParameterValue, change: Value) =>
    statisticChanges.push(g.scale(g.reshape(change, statistic.shape), NEWEST_SHARE));
  return {
    dropoutMasks,
    statisticChanges,
    slotSum: (vectors) => slotSum(g, vectors),
    squareSum: (vectors) => g.reduceSum(g.square(vectors), [1, 2]),
    dropout(hidden, rate) {
      if (rate === 0) return hidden;
      const width = staticDim(hidden.shape[1]);
      const name = `dropout_mask${dropoutMasks.length}`;
      dropoutMasks.push({ name, width, rate });
      return g.multiply(hidden, g.input(name, [ROWS, width]));
    },
    moments(z, meanName, varianceName) {
      const running = runningMoments(g, z, meanName, varianceName);
      const mean = g.multiply(g.reduceSum(z, [0]), inverseRows);
      const centered = g.subtract(z, mean);
      const variance = g.multiply(g.reduceSum(g.square(centered), [0]), inverseRows);
      count(running.mean, g.subtract(running.mean, mean));
      // The change times (n - 1) / n: this avoids dividing by n - 1, which is 0 for one row.
      const known = g.subtract(running.variance, g.multiply(running.variance, inverseRows));
      count(running.variance, g.subtract(known, variance));
      return { centered, variance };
    },
  };
}

function slotSum(g: Graph, vectors: Value): Value {
  return g.reduceSum(vectors, [1]);
}

function slotsAndDim({ shape }: Value): readonly [slots: number, dim: number] {
  return [staticDim(shape[1]), staticDim(shape[2])];
}

/** `[rows, slots, dim]` to `[rows, slots · dim]`. */
function flattened(g: Graph, vectors: Value): Value {
  const [slots, dim] = slotsAndDim(vectors);
  return g.reshape(vectors, [vectors.shape[0], slots * dim]);
}

/** As {@link slotSum}, with the slots that the rows of a ranking share added up once. */
function servingSlotSum(g: Graph, vectors: Value): Value {
  const [rows] = vectors.shape;
  const [, dim] = slotsAndDim(vectors);
  const divided = sumOfParts(g, flattened(g, vectors), (part) => {
    const [count, width] = part.shape;
    const slots = g.reshape(part, [count, staticDim(width) / dim, dim]);
    return g.reshape(slotSum(g, slots), [count, dim]);
  });
  return divided === undefined ? slotSum(g, vectors) : g.reshape(divided, [rows, 1, dim]);
}

function slotSumByProduct(g: Graph, vectors: Value): Value {
  const [rows] = vectors.shape;
  const [slots, dim] = slotsAndDim(vectors);
  // An identity matrix for each slot, one below the other.
  const isAdded = (i: number) => Math.floor(i / dim) % dim === i % dim;
  const ones = Array.from({ length: slots * dim * dim }, (_, i) => isAdded(i) ? 1 : 0);
  const sum = g.matMul(flattened(g, vectors), g.constant(ones, [slots * dim, dim]));
  return g.reshape(sum, [rows, 1, dim]);
}

function runningMoments(g: Graph, z: Value, mean: string, variance: string) {
  const shape = [staticDim(z.shape[1])];
  return {
    mean: g.statistic(mean, shape, { kind: "zeros" }),
    variance: g.statistic(variance, shape, { kind: "constant", value: 1 }),
  };
}
