/**
 * What is different between the graph that trains a model and the one that serves it.
 */
import type { Graph } from "./graph/graph.ts";
import { ROWS, staticDim } from "./graph/shape.ts";
import type { ParameterValue, Value } from "./graph/value.ts";
import type { Phase } from "./models/model.ts";

/** A mask that the session draws for each step: 0 or 1 / (1 - rate). */
export interface DropoutMask {
  /** The graph's input. */
  readonly name: string;
  readonly width: number;
  readonly rate: number;
}

/** No unit is silenced, and batch normalisation uses what training has seen. */
export function servingPhase(g: Graph): Phase {
  return {
    dropout: (hidden) => hidden,
    moments: (z, mean, variance) => {
      const running = runningMoments(g, z, mean, variance);
      return {
        centered: g.subtract(z, running.mean),
        // A mean of several trainers' variances, with what was learned since on top, may fall below 0.
        variance: g.relu(running.variance),
      };
    },
  };
}

/** What a training graph has beside the model's own inputs. */
export interface TrainingPhase extends Phase {
  readonly dropoutMasks: readonly DropoutMask[];
  /** What each of the graph's statistics falls by with this batch, which must be whole. */
  readonly statisticChanges: readonly Value[];
}

/**
 * Share of the newest batch in running means and variances. Of n rows the variance is taken as n / (n - 1) of the
 * batch's, and a single row says nothing of it: a trickle of small batches would take it to 0, and serving divides by it.
 *
 * @see Ioffe and Szegedy, "Batch Normalization", 2015, algorithm 2
 */
const NEWEST_SHARE = 0.1;

/** @param inverseRows 1 / rows, shape `[1]`. */
export function trainingPhase(g: Graph, inverseRows: Value): TrainingPhase {
  const dropoutMasks: DropoutMask[] = [];
  const statisticChanges: Value[] = [];
  const count = (statistic: ParameterValue, change: Value) =>
    statisticChanges.push(g.scale(g.reshape(change, statistic.shape), NEWEST_SHARE));
  return {
    dropoutMasks,
    statisticChanges,
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
      // (n - 1) / n of the change, so that nothing is divided by n - 1.
      const known = g.subtract(running.variance, g.multiply(running.variance, inverseRows));
      count(running.variance, g.subtract(known, variance));
      return { centered, variance };
    },
  };
}

function runningMoments(g: Graph, z: Value, mean: string, variance: string) {
  const shape = [staticDim(z.shape[1])];
  return {
    mean: g.statistic(mean, shape, { kind: "zeros" }),
    variance: g.statistic(variance, shape, { kind: "constant", value: 1 }),
  };
}
