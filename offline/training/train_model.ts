/**
 * The loop of batch training: epochs over the examples, progressive validation in the first,
 * smaller learning rates when the validation set stops improving, and an early end when it does not
 * improve again.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { type ExampleTable, type LabelledBatch, shuffledOrder } from "../datasets/example_table.ts";
import { movingAuc } from "../evaluation/moving_auc.ts";
import { type Quality, TaskScores } from "../evaluation/task_scores.ts";
import type { TrainingPass } from "./training_pass.ts";

/** Examples, schedule and limits of one training. */
export interface TrainingPlan {
  readonly training: ExampleTable;
  /** Scored once, with the model of the best epoch. */
  readonly evaluation: ExampleTable;
  /**
   * Selects the best epoch, and ends training; absent = all epochs run, and the last one counts.
   */
  readonly validation?: ExampleTable;
  /** Store of the best epoch's model; absent = memory. */
  readonly blobs?: BlobStore;
  /** Each epoch in a new order; otherwise in the table's order. */
  readonly shuffled: boolean;
  /** Every row takes a step with every batch; otherwise a batch updates only its own rows. */
  readonly denseUpdates: boolean;
  /** ≥ 1 */
  readonly epochs: number;
  /**
   * Epochs without a better validation AUC before the rates fall, and again before training stops,
   * ≥ 1.
   */
  readonly patience: number;
  /**
   * Factor of all learning rates after `patience` epochs, in (0, 1]; 1 = training stops instead.
   */
  readonly plateauFactor: number;
  /**
   * Called from time to time with the examples trained on so far, over all epochs, and the epoch,
   * from 1.
   */
  onProgress?(examples: number, epoch: number, loss: number): void;
  /** Called after each epoch. */
  onEpoch?(epoch: EpochResult, isBest: boolean): void;
}

/** The result of one epoch. */
export interface EpochResult {
  /** From 1. */
  readonly epoch: number;
  /** Mean loss over its batches, each measured before its update. */
  readonly loss: number;
  /** Factor of the learning rates. */
  readonly rateScale: number;
  /** Quality of the first task. */
  readonly validation?: Quality;
}

/** The result of training. */
export interface TrainingResult {
  readonly examples: number;
  readonly epochs: readonly EpochResult[];
  /** The epoch whose model was chosen and evaluated. */
  readonly bestEpoch: number;
  /**
   * Quality per task in the first epoch, each batch scored before its update, over the last 80 % of
   * the examples.
   */
  readonly progressive: readonly Quality[];
  /** Moving average of the first task's progressive AUC for drawing: [examples, AUC]. */
  readonly curve: readonly (readonly [number, number])[];
  /** Quality per task on the evaluation examples; the first task orders rankings. */
  readonly evaluation?: readonly Quality[];
  /** Embedding rows of the model. */
  readonly rows: number;
  /** Rows evicted for others, plus ids that found no room. */
  readonly rowsWithoutRoom: number;
  readonly seconds: number;
  readonly examplesPerSecond: number;
}

/** Share of the examples before progressive figures are counted. */
const WARM_UP_SHARE = 0.2;

/** Trains an untrained model. */
export async function trainModel(
  pass: TrainingPass,
  plan: TrainingPlan,
): Promise<TrainingResult> {
  const { training, validation, evaluation } = plan;
  const { trainer: { batchRows }, session: { seed } } = pass.configuration;
  if (plan.denseUpdates) pass.moveAlways(training.features.ids);
  const total = training.rows;
  const first = new TaskScores(pass.tasks);
  const epochs: EpochResult[] = [];
  const startedAtMs = performance.now();
  const kept = plan.blobs ?? new MemoryBlobStore();
  let best = { epoch: 0, goodness: -Infinity };
  let seen = 0;
  let trainedMs = 0;
  let rateScale = 1;
  /** The last epoch that was the best so far, or that lowered the rates. */
  let turn = 0;
  for (let epoch = 1; epoch <= plan.epochs; epoch++) {
    let lossSum = 0;
    const epochStartedAtMs = performance.now();
    const order = plan.shuffled ? shuffledOrder(total, seed, epoch) : undefined;
    for (const batch of training.batches(batchRows, order)) {
      const step = await pass.train(batch);
      const { rows } = batch.features;
      lossSum += step.loss * rows;
      seen += rows;
      if (epoch === 1) first.add(batch, step.scores);
      plan.onProgress?.(seen, epoch, step.loss);
    }
    trainedMs += performance.now() - epochStartedAtMs;
    const [checked] = validation ? await measure(pass, validation.batches(batchRows)) : [];
    const result = {
      epoch,
      loss: lossSum / total,
      rateScale,
      ...(checked === undefined ? {} : { validation: checked }),
    };
    epochs.push(result);
    const goodness = checked?.goodness ?? epoch;
    const isBest = epoch === 1 || goodness > best.goodness;
    plan.onEpoch?.(result, isBest);
    if (!isBest) {
      if (epoch - turn < plan.patience) continue;
      // Lower rates did not help either, or are not configured.
      if (turn > best.epoch || plan.plateauFactor === 1) break;
      turn = epoch;
      rateScale *= plan.plateauFactor;
      await pass.setLearningRateScale(rateScale);
      continue;
    }
    best = { epoch, goodness };
    turn = epoch;
    // Nothing is restored after the last epoch.
    const isNeeded = epoch < plan.epochs ? checked !== undefined : plan.blobs !== undefined;
    if (isNeeded) await pass.keep(kept);
  }
  const { withoutRoom } = pass.rows;
  if (best.epoch < epochs.length) await pass.goBack(kept);
  const evaluated = evaluation.rows > 0
    ? await measure(pass, evaluation.batches(batchRows))
    : undefined;
  const from = Math.floor(total * WARM_UP_SHARE);
  return {
    examples: total,
    epochs,
    bestEpoch: best.epoch,
    progressive: first.qualities(from),
    curve: pass.tasks[0].loss === "squaredError" ? [] : movingAuc(...first.of(0)),
    ...(evaluated === undefined ? {} : { evaluation: evaluated }),
    rows: pass.rows.count,
    rowsWithoutRoom: withoutRoom,
    seconds: (performance.now() - startedAtMs) / 1000,
    examplesPerSecond: seen / (trainedMs / 1000),
  };
}

/** Scores `batches` as serving would. */
async function measure(
  pass: TrainingPass,
  batches: Iterable<LabelledBatch>,
): Promise<readonly Quality[]> {
  await pass.publish();
  const scores = new TaskScores(pass.tasks);
  for (const batch of batches) scores.add(batch, await pass.score(batch));
  return scores.qualities();
}
