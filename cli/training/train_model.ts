/**
 * The loop of batch training: epochs over the examples, progressive validation in the first, smaller steps when a
 * validation set gets no better, and an early end when it does not for several epochs.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { type ExampleTable, type LabelledBatch, shuffledOrder } from "../datasets/example_table.ts";
import { exactAuc, logloss } from "../evaluation/auc.ts";
import { Samples } from "../load/samples.ts";
import { movingAuc } from "../evaluation/moving_auc.ts";
import { TrainingPass } from "./training_pass.ts";

/** What to train on, and for how long. */
export interface TrainingPlan {
  readonly configuration: CairnConfiguration;
  readonly training: ExampleTable;
  /** Scored after training (with a validation set: after each epoch that is the best so far). */
  readonly evaluation: ExampleTable;
  /** Decides when to stop; absent = all epochs run. */
  readonly validation?: ExampleTable;
  /** Each epoch in an order of its own; else always in the table's. */
  readonly shuffled: boolean;
  /** Every row takes a step with every batch; else a batch moves its own rows alone. */
  readonly denseUpdates: boolean;
  /** ≥ 1 */
  readonly epochs: number;
  /** Epochs without a better validation AUC before training stops, ≥ 1. */
  readonly patience: number;
  /** All learning rates are multiplied by this after an epoch without a better validation AUC, in (0, 1]. */
  readonly plateauFactor: number;
  /** Called now and then with the examples trained on so far, over all epochs, and the epoch, from 1. */
  onProgress?(examples: number, epoch: number, loss: number): void;
}

/** How well scores told positives from negatives. */
export interface Quality {
  readonly examples: number;
  readonly positives: number;
  /** NaN where a class is missing. */
  readonly auc: number;
  readonly logloss: number;
}

/** One epoch. */
export interface EpochResult {
  /** From 1. */
  readonly epoch: number;
  /** Mean over its batches, before each was learned from. */
  readonly loss: number;
  readonly validation?: Quality;
}

/** What training gave. */
export interface TrainingResult {
  readonly examples: number;
  readonly epochs: readonly EpochResult[];
  /** The epoch whose weights `evaluation` was measured with. */
  readonly bestEpoch: number;
  /** Scores from before each batch was learned from, in the first epoch, over the last 80 % of the examples. */
  readonly progressive: Quality;
  /** Moving average of the progressive AUC for drawing: [examples, AUC]. */
  readonly curve: readonly (readonly [number, number])[];
  readonly evaluation?: Quality;
  /** Embedding rows at the end. */
  readonly rows: number;
  readonly seconds: number;
  readonly examplesPerSecond: number;
}

/** Share of the examples that only warms up before progressive figures count. */
const warmUpShare = 0.2;

/** Trains one model from nothing. */
export async function trainModel(plan: TrainingPlan): Promise<TrainingResult> {
  const { configuration, training, denseUpdates } = plan;
  const everyStep = denseUpdates ? training.features.ids : undefined;
  const pass = await TrainingPass.create(configuration, everyStep);
  try {
    return await runEpochs(pass, plan);
  } finally {
    await pass.close();
  }
}

async function runEpochs(pass: TrainingPass, plan: TrainingPlan): Promise<TrainingResult> {
  const { training, validation, evaluation, configuration } = plan;
  const { batchRows } = configuration.trainer;
  const total = training.rows;
  const scores = new Samples();
  const labels = new Samples();
  const epochs: EpochResult[] = [];
  const startedAtMs = performance.now();
  let best = { epoch: 0, auc: -Infinity };
  let evaluated: Quality | undefined;
  let seen = 0;
  let trainedMs = 0;
  let rateScale = 1;
  for (let epoch = 1; epoch <= plan.epochs && epoch - best.epoch <= plan.patience; epoch++) {
    let lossSum = 0;
    const epochStartedAtMs = performance.now();
    const order = plan.shuffled
      ? shuffledOrder(total, configuration.session.seed, epoch)
      : undefined;
    for (const batch of training.batches(batchRows, order)) {
      const step = await pass.train(batch);
      const { rows } = batch.features;
      lossSum += step.loss * rows;
      seen += rows;
      if (epoch === 1) collect(batch, step.scores, scores, labels);
      plan.onProgress?.(seen, epoch, step.loss);
    }
    trainedMs += performance.now() - epochStartedAtMs;
    await pass.publish();
    const checked = validation && await measure(pass, validation.batches(batchRows));
    epochs.push({
      epoch,
      loss: lossSum / total,
      ...(checked === undefined ? {} : { validation: checked }),
    });
    const auc = checked?.auc ?? Infinity;
    if (checked !== undefined && auc <= best.auc) {
      rateScale *= plan.plateauFactor;
      await pass.setLearningRateScale(rateScale);
      continue;
    }
    best = { epoch, auc };
    const isLast = epoch === plan.epochs;
    if (evaluation.rows > 0 && (checked !== undefined || isLast)) {
      evaluated = await measure(pass, evaluation.batches(batchRows));
    }
  }
  const from = Math.floor(total * warmUpShare);
  return {
    examples: total,
    epochs,
    bestEpoch: best.epoch,
    progressive: quality(scores.values(from), labels.values(from)),
    curve: movingAuc(scores.values(), labels.values()),
    ...(evaluated === undefined ? {} : { evaluation: evaluated }),
    rows: pass.rows,
    seconds: (performance.now() - startedAtMs) / 1000,
    examplesPerSecond: seen / (trainedMs / 1000),
  };
}

/** Scores `batches` as serving would. */
async function measure(pass: TrainingPass, batches: Iterable<LabelledBatch>): Promise<Quality> {
  const scores = new Samples();
  const labels = new Samples();
  for (const batch of batches) collect(batch, await pass.score(batch), scores, labels);
  return quality(scores.values(), labels.values());
}

/** Appends the first task's scores and labels. */
function collect(batch: LabelledBatch, from: Float64Array, scores: Samples, labels: Samples): void {
  const tasks = batch.labels.length / batch.features.rows;
  for (let row = 0; row < batch.features.rows; row++) {
    scores.add(from[row]);
    labels.add(batch.labels[row * tasks]);
  }
}

function quality(scores: Float64Array, labels: Float64Array): Quality {
  return {
    examples: scores.length,
    positives: labels.reduce((sum, label) => sum + label, 0),
    auc: exactAuc(scores, labels),
    logloss: logloss(scores, labels),
  };
}
