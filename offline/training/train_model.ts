/**
 * The loop of batch training: epochs over the examples, progressive validation in the first, smaller steps when a
 * validation set gets no better, and an early end when it does not for several epochs.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { type ExampleTable, type LabelledBatch, shuffledOrder } from "../datasets/example_table.ts";
import { movingAuc } from "../evaluation/moving_auc.ts";
import { type Quality, TaskScores } from "../evaluation/task_scores.ts";
import type { TrainingPass } from "./training_pass.ts";

/** What to train on, and for how long. */
export interface TrainingPlan {
  readonly training: ExampleTable;
  /** Scored once, with the model of the best epoch. */
  readonly evaluation: ExampleTable;
  /** Decides which epoch is the best, and when to stop; absent = all epochs run, and the last one counts. */
  readonly validation?: ExampleTable;
  /** Where the best epoch's model stays; absent = it is kept in memory for as long as it takes. */
  readonly blobs?: BlobStore;
  /** Each epoch in an order of its own; else always in the table's. */
  readonly shuffled: boolean;
  /** Every row takes a step with every batch; else a batch moves its own rows alone. */
  readonly denseUpdates: boolean;
  /** ≥ 1 */
  readonly epochs: number;
  /** Epochs without a better validation AUC before the rates fall, and again before training stops, ≥ 1. */
  readonly patience: number;
  /** What all learning rates are multiplied by then, in (0, 1]; 1 = training stops instead. */
  readonly plateauFactor: number;
  /** Called now and then with the examples trained on so far, over all epochs, and the epoch, from 1. */
  onProgress?(examples: number, epoch: number, loss: number): void;
  /** Called after each. */
  onEpoch?(epoch: EpochResult, isBest: boolean): void;
}

/** One epoch. */
export interface EpochResult {
  /** From 1. */
  readonly epoch: number;
  /** Mean over its batches, before each was learned from. */
  readonly loss: number;
  /** What the learning rates were multiplied by. */
  readonly rateScale: number;
  /** Of the first task. */
  readonly validation?: Quality;
}

/** What training gave. */
export interface TrainingResult {
  readonly examples: number;
  readonly epochs: readonly EpochResult[];
  /** The epoch whose model `evaluation` was measured with, and which was kept. */
  readonly bestEpoch: number;
  /** Of each task: from before each batch was learned from, in the first epoch, over the last 80 % of the examples. */
  readonly progressive: readonly Quality[];
  /** Moving average of the first task's progressive AUC for drawing: [examples, AUC]. */
  readonly curve: readonly (readonly [number, number])[];
  /** Of each task; the first is what the ranking is ordered by. */
  readonly evaluation?: readonly Quality[];
  /** Its embedding rows. */
  readonly rows: number;
  /** How often a row made room for another one, or found none. */
  readonly rowsWithoutRoom: number;
  readonly seconds: number;
  readonly examplesPerSecond: number;
}

/** Share of the examples that only warms up before progressive figures count. */
const warmUpShare = 0.2;

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
  /** The last epoch that was the best so far, or after which the rates fell. */
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
      // Smaller steps came to nothing either, or there are none.
      if (turn > best.epoch || plan.plateauFactor === 1) break;
      turn = epoch;
      rateScale *= plan.plateauFactor;
      await pass.setLearningRateScale(rateScale);
      continue;
    }
    best = { epoch, goodness };
    turn = epoch;
    // After the last epoch there is nothing to go back from.
    const isNeeded = epoch < plan.epochs ? checked !== undefined : plan.blobs !== undefined;
    if (isNeeded) await pass.keep(kept);
  }
  const { withoutRoom } = pass.rows;
  if (best.epoch < epochs.length) await pass.goBack(kept);
  const evaluated = evaluation.rows > 0
    ? await measure(pass, evaluation.batches(batchRows))
    : undefined;
  const from = Math.floor(total * warmUpShare);
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
