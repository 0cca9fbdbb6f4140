/**
 * Checkpoints of a training session (weights, optimizer state, step), and the part of one that a
 * changed model can start from.
 */
import { type Axis, axisDifferences, indicesBefore } from "./graph/axis.ts";
import type { ParameterValue } from "./graph/value.ts";
import type { StateVectors } from "./sessions/training_backend.ts";
import { trainingNames } from "./training_graph.ts";
import { type DenseWeights, unpackWeights } from "./weights.ts";
import { BLOCK_WIDTH, weightLayout } from "./weight_layout.ts";

/** One parameter in a checkpoint. */
export interface CheckpointTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Names along its axes; an axis left out is unnamed. */
  readonly axes: readonly Axis[];
}

/** All state of a session: restored, it continues with the same bits. */
export interface TrainingCheckpoint {
  readonly step: number;
  /**
   * Version of the weights that the model started with, to which its steps are added; 0 = it
   * started untrained.
   */
  readonly versionBefore: number;
  /** Mean of recent losses, the reference for exploding ones; NaN before the first step. */
  readonly recentLoss: number;
  /** Matrices in the layout of the weights, row-major: the weights and the optimizer's state. */
  readonly vectors: StateVectors;
  /**
   * The parameters in the matrices, in order; a session refuses a checkpoint with another layout.
   */
  readonly layout: readonly CheckpointTensor[];
}

/** The parameters and state matrices of a checkpoint, without values. */
interface CheckpointNames {
  readonly layout: readonly CheckpointTensor[];
  readonly vectors: Readonly<Record<string, unknown>>;
}

/** A checkpoint belongs to another model than the session's, or is damaged. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

/**
 * The differences between the models and optimizers of two checkpoints: `w0 [48,64] -> [64,64]
 * (slot genre new)`, `w2 none -> [32,1]`. Empty when there is none.
 */
export function checkpointDifferences(
  from: CheckpointNames,
  to: CheckpointNames,
): readonly string[] {
  const [before, after] = [tensorsOf(from.layout), tensorsOf(to.layout)];
  const differences = [...new Set([...before.keys(), ...after.keys()])]
    .flatMap((name) => tensorDifference(name, before.get(name), after.get(name)));
  const [stateBefore, stateAfter] = [stateOf(from.vectors), stateOf(to.vectors)];
  if (stateBefore !== stateAfter) {
    differences.push(`optimizer state ${stateBefore} -> ${stateAfter}`);
  }
  if (differences.length === 0 && namesOf(from.layout) !== namesOf(to.layout)) {
    differences.push(`order ${namesOf(from.layout)} -> ${namesOf(to.layout)}`);
  }
  return differences;
}

/**
 * A checkpoint for a changed model to start from. Within tensors of equal name it keeps the weights
 * whose indices have the same name along every axis (along an unnamed axis: when the size is the
 * same); all other weights are those of `initial`. Optimizer state, schedule and loss watch start
 * anew, because they belong to the former model; the version continues.
 *
 * @param initial Checkpoint of the changed model before its first step.
 * @throws {CheckpointError} When `saved` is damaged.
 */
export function carriedOver(
  saved: TrainingCheckpoint,
  initial: TrainingCheckpoint,
): TrainingCheckpoint {
  requireWhole(saved);
  const weights = initial.vectors[trainingNames.weights].slice();
  const before = new Map(tensorValues(saved.layout, saved.vectors[trainingNames.weights]));
  for (const [name, tensor] of tensorValues(initial.layout, weights)) {
    const known = before.get(name);
    if (known?.shape.length === tensor.shape.length) copyWeights(known, tensor);
  }
  return {
    ...initial,
    versionBefore: saved.versionBefore + saved.step,
    vectors: { ...initial.vectors, [trainingNames.weights]: weights },
  };
}

/**
 * The mean of checkpoints of one model, for a trainer that takes the place of several: the means of
 * the weights and of the optimizer's state. The version is above those of all.
 *
 * @param checkpoints At least one, of one layout.
 * @throws {CheckpointError} When one is damaged, or they are of different models.
 */
export function meanCheckpoint(checkpoints: readonly TrainingCheckpoint[]): TrainingCheckpoint {
  const [first, ...others] = checkpoints;
  for (const checkpoint of checkpoints) requireWhole(checkpoint);
  const differences = others.flatMap((other) => checkpointDifferences(first, other));
  if (differences.length > 0) {
    throw new CheckpointError(
      `Cannot average the dense models of several trainers, which differ: ${differences[0]}.`,
    );
  }
  const vectors = Object.entries(first.vectors).map(([name, vector]) => {
    const mean = vector.map((_, i) =>
      checkpoints.reduce((sum, checkpoint) => sum + checkpoint.vectors[name][i], 0) /
      checkpoints.length
    );
    return [name, mean] as const;
  });
  const step = Math.max(...checkpoints.map((each) => each.step));
  const version = Math.max(...checkpoints.map((each) => each.versionBefore + each.step));
  const losses = checkpoints.map(({ recentLoss }) => recentLoss)
    .filter((loss) => !Number.isNaN(loss));
  const recentLoss = losses.reduce((sum, loss) => sum + loss, 0) / losses.length; // NaN without
  const versionBefore = version + 1 - step;
  return { ...first, step, versionBefore, recentLoss, vectors: Object.fromEntries(vectors) };
}

/** A model's parameters as a checkpoint names them, in the same order. */
export function tensorsIn(parameters: readonly ParameterValue[]): readonly CheckpointTensor[] {
  return parameters.map(({ name, shape, axes }) => ({
    name,
    shape: shape as readonly number[],
    axes,
  }));
}

/**
 * The weights of a checkpoint; undefined where it is of another model.
 *
 * @param parameters The parameters of the model, in order.
 * @throws {CheckpointError} When it is damaged.
 */
export function weightsOf(
  checkpoint: TrainingCheckpoint,
  parameters: readonly CheckpointTensor[],
): DenseWeights | undefined {
  requireWhole(checkpoint);
  const { layout, vectors, versionBefore, step } = checkpoint;
  if (checkpointDifferences(checkpoint, { layout: parameters, vectors }).length > 0) {
    return undefined;
  }
  return unpackWeights(vectors[trainingNames.weights], weightLayout(layout), versionBefore + step);
}

/** @throws {CheckpointError} When the size of a matrix is not that of its parameters. */
export function requireWhole({ layout, vectors }: TrainingCheckpoint): void {
  const values = weightLayout(layout).blocks * BLOCK_WIDTH;
  for (const name of new Set([trainingNames.weights, ...Object.keys(vectors)])) {
    if (vectors[name]?.length === values) continue;
    throw new CheckpointError(
      `Cannot restore the dense model: the checkpoint is damaged, "${name}" has ${
        vectors[name]?.length ?? 0
      } values and its parameters need ${values}; delete that snapshot's directory.`,
    );
  }
}

interface TensorValues extends CheckpointTensor {
  readonly values: Float32Array;
}

/** The tensors by name, each with its part of the matrix. */
function tensorValues(
  layout: readonly CheckpointTensor[],
  matrix: Float32Array,
): [name: string, TensorValues][] {
  const { ranges } = weightLayout(layout);
  return layout.map((tensor, i) => {
    const start = ranges[i].firstBlock * BLOCK_WIDTH;
    return [tensor.name, { ...tensor, values: matrix.subarray(start, start + ranges[i].size) }];
  });
}

/**
 * Copies the weights whose indices are known in both tensors, which have the same number of axes.
 */
function copyWeights(from: TensorValues, to: TensorValues): void {
  const known = to.shape.map((size, i) =>
    indicesBefore(from.axes[i], from.shape[i], to.axes[i], size)
  );
  const copy = (axis: number, offsetBefore: number, offset: number) => {
    if (axis === known.length) {
      to.values[offset] = from.values[offsetBefore];
      return;
    }
    for (const [index, indexBefore] of known[axis].entries()) {
      if (indexBefore < 0) continue;
      copy(
        axis + 1,
        offsetBefore * from.shape[axis] + indexBefore,
        offset * to.shape[axis] + index,
      );
    }
  };
  copy(0, 0, 0);
}

/**
 * The difference between two versions of a tensor, as a list of one line; empty when there is none.
 */
function tensorDifference(
  name: string,
  before: CheckpointTensor | undefined,
  now: CheckpointTensor | undefined,
): string[] {
  const [from, to] = [before, now].map((tensor) =>
    tensor === undefined ? "none" : `[${tensor.shape}]`
  );
  const names = before === undefined || now === undefined
    ? []
    : now.shape.flatMap((_, i) => axisDifferences(before.axes[i], now.axes[i]));
  if (from === to && names.length === 0) return [];
  return [`${name} ${from} -> ${to}${names.length === 0 ? "" : ` (${names.join(", ")})`}`];
}

function tensorsOf(layout: readonly CheckpointTensor[]): ReadonlyMap<string, CheckpointTensor> {
  return new Map(layout.map((tensor) => [tensor.name, tensor]));
}

function stateOf(vectors: CheckpointNames["vectors"]): string {
  const names = Object.keys(vectors).filter((name) => name !== trainingNames.weights);
  return names.length === 0 ? "none" : names.sort().join(", ");
}

function namesOf(layout: readonly CheckpointTensor[]): string {
  return layout.map(({ name }) => name).join(", ");
}
