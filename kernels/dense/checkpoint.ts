/**
 * What a training session writes down to go on from: weights, optimizer state, and the step that they belong to; and
 * what of it another model can begin with.
 */
import { type Axis, axisDifferences, placesBefore } from "./graph/axis.ts";
import type { StateVectors } from "./sessions/training_backend.ts";
import { TRAINING_NAMES } from "./training_graph.ts";
import { BLOCK_WIDTH, weightLayout } from "./weight_layout.ts";

/** A parameter. */
interface CheckpointTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** What the places along its axes are of; an axis left out is unnamed. */
  readonly axes: readonly Axis[];
}

/** All that a session needs to go on to the same bits. */
export interface TrainingCheckpoint {
  readonly step: number;
  /** Version of the weights that the model began with, to which its steps are added; 0 where it began untrained. */
  readonly versionBefore: number;
  /** Mean of recent losses, by which explosions are told; NaN before the first step. */
  readonly recentLoss: number;
  /** Matrices of all weights, row-major: the weights and the optimizer's state. */
  readonly vectors: StateVectors;
  /** The parameters in the matrices, in order: a checkpoint of another model is refused. */
  readonly layout: readonly CheckpointTensor[];
}

/** What a checkpoint is of, without its values. */
interface CheckpointNames {
  readonly layout: readonly CheckpointTensor[];
  readonly vectors: Readonly<Record<string, unknown>>;
}

/** A checkpoint does not fit the session's model, or is damaged. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

/**
 * How the model and optimizer of one checkpoint differ from another's: `w0 [48,64] -> [64,64] (slot genre new)`,
 * `w2 none -> [32,1]`; empty where they are the same.
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
 * A checkpoint for another model to begin with: of tensors with the same name the weights whose places have the same names
 * along each axis (where an axis is unnamed: as many places), and all else as in `initial`. Optimizer, schedule and the watch
 * over the loss begin anew, for they were of another model; the version goes on.
 *
 * @param initial Of the model that begins, before its first step.
 * @throws {CheckpointError} When `saved` is damaged.
 */
export function carriedOver(
  saved: TrainingCheckpoint,
  initial: TrainingCheckpoint,
): TrainingCheckpoint {
  requireWhole(saved);
  const weights = initial.vectors[TRAINING_NAMES.weights].slice();
  const before = new Map(tensorValues(saved.layout, saved.vectors[TRAINING_NAMES.weights]));
  for (const [name, tensor] of tensorValues(initial.layout, weights)) {
    const known = before.get(name);
    if (known?.shape.length === tensor.shape.length) copyWeights(known, tensor);
  }
  return {
    ...initial,
    versionBefore: saved.versionBefore + saved.step,
    vectors: { ...initial.vectors, [TRAINING_NAMES.weights]: weights },
  };
}

/** @throws {CheckpointError} When a matrix has not the size of its parameters. */
export function requireWhole({ layout, vectors }: TrainingCheckpoint): void {
  const values = weightLayout(layout).blocks * BLOCK_WIDTH;
  for (const name of new Set([TRAINING_NAMES.weights, ...Object.keys(vectors)])) {
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

/** By name, each with its part of the matrix. */
function tensorValues(
  layout: readonly CheckpointTensor[],
  matrix: Float32Array,
): [name: string, TensorValues][] {
  const { slots } = weightLayout(layout);
  return layout.map((tensor, i) => {
    const start = slots[i].firstBlock * BLOCK_WIDTH;
    return [tensor.name, { ...tensor, values: matrix.subarray(start, start + slots[i].size) }];
  });
}

/** Copies the weights that have a place in both; both have as many axes. */
function copyWeights(from: TensorValues, to: TensorValues): void {
  const places = to.shape.map((size, i) =>
    placesBefore(from.axes[i], from.shape[i], to.axes[i], size)
  );
  const copy = (axis: number, before: number, now: number) => {
    if (axis === places.length) {
      to.values[now] = from.values[before];
      return;
    }
    for (const [place, known] of places[axis].entries()) {
      if (known < 0) continue;
      copy(axis + 1, before * from.shape[axis] + known, now * to.shape[axis] + place);
    }
  };
  copy(0, 0, 0);
}

/** Empty where the tensors are the same, else one line. */
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
  const names = Object.keys(vectors).filter((name) => name !== TRAINING_NAMES.weights);
  return names.length === 0 ? "none" : names.sort().join(", ");
}

function namesOf(layout: readonly CheckpointTensor[]): string {
  return layout.map(({ name }) => name).join(", ");
}
