/**
 * What a training session writes down to go on from: weights, optimizer state, and the step that they belong to; and
 * what of it another model can begin with.
 */
import type { StateVectors } from "./sessions/training_backend.ts";
import { TRAINING_NAMES } from "./training_graph.ts";
import { BLOCK_WIDTH, weightLayout } from "./weight_layout.ts";

/** A parameter's name and shape. */
interface CheckpointTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** All that a session needs to go on to the same bits. */
export interface TrainingCheckpoint {
  readonly step: number;
  /** Mean of recent losses, by which explosions are told; NaN before the first step. */
  readonly recentLoss: number;
  /** Matrices of all weights, row-major: the weights and the optimizer's state. */
  readonly vectors: StateVectors;
  /** Names and shapes of the parameters in the matrices, in order: a checkpoint of another model is refused. */
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
 * How the model and optimizer of one checkpoint differ from another's: `w0 [48,64] -> [64,64]`, `w2 none -> [32,1]`;
 * empty where they are the same.
 */
export function checkpointDifferences(
  from: CheckpointNames,
  to: CheckpointNames,
): readonly string[] {
  const [before, after] = [shapesOf(from.layout), shapesOf(to.layout)];
  const differences = [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => `${name} ${before.get(name) ?? "none"} -> ${after.get(name) ?? "none"}`);
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
 * A checkpoint for another model to begin with: the weights of tensors with the same name and shape, and all else as in
 * `initial`. Optimizer, schedule and the watch over the loss begin anew, for they were of another model.
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
  const places = new Map(weightLayout(saved.layout).slots.map((slot) => [slot.name, slot]));
  for (const { name, shape, size, firstBlock } of weightLayout(initial.layout).slots) {
    const place = places.get(name);
    if (place === undefined || place.shape.join() !== shape.join()) continue;
    const start = place.firstBlock * BLOCK_WIDTH;
    weights.set(
      saved.vectors[TRAINING_NAMES.weights].subarray(start, start + size),
      firstBlock * BLOCK_WIDTH,
    );
  }
  return { ...initial, vectors: { ...initial.vectors, [TRAINING_NAMES.weights]: weights } };
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

function shapesOf(layout: readonly CheckpointTensor[]): ReadonlyMap<string, string> {
  return new Map(layout.map(({ name, shape }) => [name, `[${shape}]`]));
}

function stateOf(vectors: CheckpointNames["vectors"]): string {
  const names = Object.keys(vectors).filter((name) => name !== TRAINING_NAMES.weights);
  return names.length === 0 ? "none" : names.sort().join(", ");
}

function namesOf(layout: readonly CheckpointTensor[]): string {
  return layout.map(({ name }) => name).join(", ");
}
