/**
 * From the model's outputs to the scores of rows, which order a ranking: the predictions of the
 * tasks, their sum weighted by the operator, and whether the item is cold.
 *
 * An item is cold while none of its own features has a learned row: its score then rests on the
 * user and the context. The weights (e.g. clicks against watch time) are not learned by the model.
 *
 * @see Zhao et al., "Recommending What Video to Watch Next: A Multitask Ranking System", RecSys
 * 2019, section 4.1
 */
import { prediction } from "../../kernels/dense/inference_session.ts";
import type { TaskOptions } from "../../kernels/dense/models/options.ts";
import {
  type FeatureSchema,
  readsKeptOfItem,
  type SlotDefinition,
} from "../../kernels/features/schema.ts";
import { present } from "../../structures/invariant.ts";
import type { FoundLists, ScoredLists } from "./forward_pass.ts";
import type { ScorerOptions } from "./options.ts";
import type { Scores } from "./protocol.ts";

/** Makes the answers of one model. */
export class RowScores {
  readonly combined: CombinedScore;
  readonly #tasks: readonly TaskOptions[];
  /** Lists of a row that are of its item alone. */
  readonly #itemLists: readonly number[];

  /** @param listedSlots Slots of the lists in {@link ScoredLists}, in order. */
  constructor(
    tasks: readonly TaskOptions[],
    { scoreWeights, schema }: ScorerOptions,
    listedSlots: readonly number[],
  ) {
    this.combined = new CombinedScore(tasks, scoreWeights);
    this.#tasks = tasks;
    this.#itemLists = itemColumns(schema).map((column) => listedSlots.indexOf(column));
  }

  /** The scores of `rows` rows of a forward pass, from `firstRow` on. */
  of(result: ScoredLists, firstRow: number, rows: number): ScoreArrays {
    const tasks = this.#tasks;
    const answer = allocateScores(rows, tasks.length, this.combined.isPrediction);
    const { scores, predictions, cold } = answer;
    for (let i = 0, row = firstRow; i < rows; i++, row++) {
      for (let task = 0; task < tasks.length; task++) {
        const output = result.outputs[row * tasks.length + task];
        predictions[i * tasks.length + task] = prediction(tasks[task], output);
      }
      if (scores !== predictions) scores[i] = this.combined.of(predictions, i);
      cold[i] = Number(isCold(result, row, this.#itemLists));
    }
    return answer;
  }
}

/** The weighted sum of the tasks' predictions. */
export class CombinedScore {
  readonly #tasks: readonly TaskOptions[];
  readonly #weights: readonly number[];
  /** Tasks whose weight is not 0. */
  readonly #counted: readonly number[];

  /** @param weights `[tasks]`, at least one of them not 0; `[1]` for a single task. */
  constructor(tasks: readonly TaskOptions[], weights: readonly number[]) {
    this.#tasks = tasks;
    this.#weights = weights;
    this.#counted = [...tasks.keys()].filter((task) => weights[task] !== 0);
  }

  /** Whether the score is the prediction of the only task. */
  get isPrediction(): boolean {
    return this.#tasks.length === 1;
  }

  /** The score of a row. @param predictions `[rows, tasks]` */
  of(predictions: Float32Array, row: number): number {
    const first = row * this.#tasks.length;
    let score = 0;
    for (const task of this.#counted) score += this.#weights[task] * predictions[first + task];
    return score;
  }

  /**
   * The value that an explanation decomposes: the score, or for a single task its logit, which does
   * not saturate.
   *
   * @param outputs The model's raw outputs, `[rows, tasks]`.
   */
  explained(outputs: ArrayLike<number>, row: number): number {
    const first = row * this.#tasks.length;
    const single = this.#counted.length === 1;
    let sum = 0;
    for (const task of this.#counted) {
      const output = outputs[first + task];
      sum += this.#weights[task] * (single ? output : prediction(this.#tasks[task], output));
    }
    return sum;
  }
}

/**
 * Columns of the slots that are made from the item alone, neither from the request nor from numbers
 * that the server keeps.
 */
export function itemColumns(schema: FeatureSchema): number[] {
  const byName = new Map(schema.slots.map((slot) => [slot.name, slot]));
  const ofItem = (slot: SlotDefinition): boolean => {
    switch (slot.kind) {
      case "time":
        return false;
      case "cross":
        return slot.of.every((name) => ofItem(present(byName.get(name), "a cross names slots")));
      default:
        return slot.source === "item" && !readsKeptOfItem(slot, schema);
    }
  };
  return schema.slots.flatMap((slot, column) => ofItem(slot) ? [column] : []);
}

/** Whether the item of a row is cold. @param lists Lists of the row that are of its item alone. */
export function isCold(
  { listOffsets, slots, found, inverse }: FoundLists,
  row: number,
  lists: readonly number[],
): boolean {
  for (const list of lists) {
    const end = listOffsets[row * slots + list + 1];
    for (let id = listOffsets[row * slots + list]; id < end; id++) {
      if (found[inverse[id]] === 1) return false;
    }
  }
  return true;
}

type ScoreArrays = Pick<Scores, "scores" | "predictions" | "cold"> & {
  /** Holds all three arrays. */
  readonly buffer: ArrayBuffer;
};

/**
 * Arrays of one answer in one buffer. A message to another thread then transfers one buffer instead
 * of three, and the garbage collector, whose pauses grow with the number of buffers, sees one.
 *
 *     f32  predictions, [rows, tasks]
 *     f32  scores, [rows]; absent if the score is the prediction of the only task
 *     u8   cold, [rows]
 *
 * @param scoreIsPrediction Whether `scores` is the same array as `predictions` (one task).
 */
function allocateScores(
  rows: number,
  tasks: number,
  scoreIsPrediction: boolean,
): ScoreArrays {
  const predictionCount = rows * tasks;
  const floats = scoreIsPrediction ? predictionCount : predictionCount + rows;
  const buffer = new ArrayBuffer(4 * floats + rows);
  const predictions = new Float32Array(buffer, 0, predictionCount);
  return {
    buffer,
    predictions,
    scores: scoreIsPrediction ? predictions : new Float32Array(buffer, 4 * predictionCount, rows),
    cold: new Uint8Array(buffer, 4 * floats, rows),
  };
}
