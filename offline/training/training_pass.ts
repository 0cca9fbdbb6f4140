/**
 * Batch training in one process: the kernels called directly, without actors, logs or HTTP. It does
 * the trainer's steps (unique ids → rows → pooled inputs → dense step → gradients per row), so its
 * figures hold for the online loop too.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { type InferenceSession, prediction } from "../../kernels/dense/inference_session.ts";
import type { TrainingSession } from "../../kernels/dense/training_session.ts";
import { comparesLists } from "../../kernels/dense/losses.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { ClassTables, type ExportCursor } from "../../kernels/embedding/class_tables.ts";
import { type ClassIds, floatStarts } from "../../kernels/embedding/row_classes.ts";

import type { FeatureIds } from "../../kernels/embedding/options.ts";
import { ClassServingTables } from "../../kernels/embedding/serving_table.ts";
import { ModelInputs } from "../../kernels/embedding/model_inputs.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { Task } from "../evaluation/task_scores.ts";
import { openInferenceSession, openTrainingSession } from "../../server/machine/dense_sessions.ts";
import type { LabelledBatch } from "../datasets/example_table.ts";
import type { FirstRows } from "./first_rows.ts";
import { readModelSnapshot, writeModelSnapshot } from "./model_snapshot.ts";

/** Scores and loss of one batch before its update. */
export interface PassStep {
  readonly loss: number;
  /** Probabilities, or predicted values. Shape `[rows, tasks]`. */
  readonly scores: Float64Array;
}

/** The update of the embedding rows by one batch. */
interface BatchUpdate extends ClassIds {
  /** Gradients per id, by class. */
  readonly gradients: Float32Array;
  /** Occurrences in the batch, shape `[ids]`. */
  readonly counts: Uint32Array;
}

/** The largest memory of a table: the 32-bit address space, less one page. */
const TABLE_BYTES_MAX = 2 ** 32 - 2 ** 16;
/** Rows that are read at a time for serving. */
const EXPORTED_ROWS = 8_192;

/** Tables with the memory of all shards together: one table holds every row. */
export function wholeTables(
  { shardCount, embeddingShard: { tables } }: CairnConfiguration,
): ClassTables {
  const bytesMax = Math.min(shardCount * tables.bytesMax, tables.classes.length * TABLE_BYTES_MAX);
  return ClassTables.create({ ...tables, bytesMax });
}

/** One model in training: its tables and its dense weights. */
export class TrainingPass {
  readonly #kernel: BatchKernel;
  readonly #configuration: CairnConfiguration;
  #tables: ClassTables;
  /** The rows of the last {@link publish}; undefined where serving has them exactly. */
  #served: ClassServingTables | undefined;
  readonly #inputs: ModelInputs;
  readonly #session: TrainingSession;
  readonly #inference: InferenceSession;
  /** In the order of the labels' columns. */
  readonly tasks: readonly Task[];
  /** Ids whose rows take a step with every batch, also when they are absent from it. */
  #everyStep: FeatureIds | undefined;
  #firstRows: FirstRows | undefined;

  private constructor(
    configuration: CairnConfiguration,
    session: TrainingSession,
    inference: InferenceSession,
  ) {
    this.#configuration = configuration;
    this.#kernel = BatchKernel.create(configuration.trainer.layout.classes);
    this.#session = session;
    this.#inference = inference;
    this.#tables = wholeTables(configuration);
    this.#inputs = new ModelInputs({
      layout: configuration.trainer.layout,
      sparseInputs: session.model.sparseInputs,
      historyInputs: session.model.historyInputs,
      combiners: configuration.trainer.combiners,
    });
    const { taskNames } = configuration.trainer;
    this.tasks = session.model.tasks.map(({ loss }, i) => ({ name: taskNames[i], loss }));
  }

  /**
   * An untrained model.
   *
   * @throws {ProviderUnavailableError} When its device cannot be used.
   */
  static async create(configuration: CairnConfiguration): Promise<TrainingPass> {
    return new TrainingPass(
      configuration,
      await openTrainingSession(configuration),
      await openInferenceSession(configuration),
    );
  }

  get configuration(): CairnConfiguration {
    return this.#configuration;
  }

  /**
   * The rows of these ids take a step with every batch from now on, as all rows do in libraries
   * whose embeddings have dense gradients: decay and momentum go on while an id is absent. At first
   * a batch moves its own rows alone.
   */
  moveAlways(ids: FeatureIds): void {
    this.#everyStep = this.#kernel.unique(ids, 1).uniqueIds;
  }

  /** Rows of the embedding tables, and how often there was no room for one more. */
  get rows(): { readonly count: number; readonly withoutRoom: number } {
    const { rows, evicted, rejected } = this.#tables.statistics();
    return { count: rows, withoutRoom: evicted + rejected };
  }

  /** Gives new items of the batches to come their first rows by `firstRows`. */
  begin(firstRows: FirstRows): void {
    this.#firstRows = firstRows;
  }

  /** Learns from one batch; returns the scores from before the update. */
  async train({ features, labels, atMs, requests }: LabelledBatch): Promise<PassStep> {
    this.#firstRows?.begin({ features, atMs }, this.#tables);
    const grouped = this.#kernel.unique(features.ids, 1);
    const ids = { ids: grouped.uniqueIds, starts: grouped.groupStarts };
    const rows = this.#tables.lookup(ids, "initial");
    const step = await this.#session.step({
      rows: features.rows,
      ...this.#inputs.pool([rows], grouped, features),
      dense: features.dense,
      labels,
      logSampleRate: new Float32Array(features.rows),
      ...(comparesLists(this.#session.model.tasks) && { lists: requests }),
    });
    const scores = this.#scores(step.logits);
    const own = {
      ...ids,
      gradients: this.#inputs.gradients(step.gradients),
      counts: grouped.counts,
    };
    const all = this.#everyStep === undefined ? own : this.#withOthers(own, this.#everyStep);
    this.#tables.applyGradients(all, all.gradients, all.counts, atMs / 1000);
    return { loss: step.loss, scores };
  }

  /** The batch, extended: ids of `others` that are not in it take a step with gradient 0. */
  #withOthers(own: BatchUpdate, others: FeatureIds): BatchUpdate {
    const both = new BigUint64Array(own.ids.length + others.length);
    both.set(own.ids);
    both.set(others, own.ids.length);
    const { uniqueIds: ids, groupStarts: starts } = this.#kernel.unique(both, 1);
    const { widths } = this.#tables;
    const [ownFloats, floats] = [floatStarts(own.starts, widths), floatStarts(starts, widths)];
    const gradients = new Float32Array(floats[widths.length]);
    const counts = new Uint32Array(ids.length);
    widths.forEach((_, c) => {
      // Distinct ids are in the order of first appearance: in each class the batch's own come
      // first.
      gradients.set(own.gradients.subarray(ownFloats[c], ownFloats[c + 1]), floats[c]);
      counts.set(own.counts.subarray(own.starts[c], own.starts[c + 1]), starts[c]);
    });
    return { ids, starts, gradients, counts };
  }

  /** Sets the factor of all configured learning rates; 1 at first. */
  async setLearningRateScale(scale: number): Promise<void> {
    await this.#session.setLearningRateScale(scale);
    for (const { slice } of this.#session.model.sparseInputs) {
      this.#tables.setLearningRateScale(slice, scale);
    }
  }

  /** Copies the trained weights to the served model; call it before {@link score}. */
  async publish(): Promise<void> {
    this.#inference.load(await this.#session.weights());
    this.#served = servedRows(this.#tables, this.#configuration.servingReplica);
  }

  /**
   * Probabilities, or values, as serving gives them: an id without a row counts as zeros. Shape
   * `[rows, tasks]`.
   */
  async score({ features }: LabelledBatch): Promise<Float64Array> {
    const grouped = this.#kernel.unique(features.ids, 1);
    const ids = { ids: grouped.uniqueIds, starts: grouped.groupStarts };
    const rows = this.#served?.lookup(ids).rows ?? this.#tables.lookup(ids, "zeros");
    const logits = await this.#inference.predict({
      rows: features.rows,
      ...this.#inputs.pool([rows], grouped, features),
      dense: features.dense,
    });
    return this.#scores(logits);
  }

  /** Writes the model to the store, and deletes the one that was there. */
  async keep(blobs: BlobStore): Promise<void> {
    const checkpoint = await this.#session.checkpoint();
    await writeModelSnapshot(blobs, { tables: this.#tables, checkpoint }, this.#configuration);
  }

  /**
   * Restores the stored model, with the configured learning rates; call {@link publish} before
   * {@link score}.
   */
  async goBack(blobs: BlobStore): Promise<void> {
    // Releases the current tables first, so that memory for two is never needed.
    this.#tables = wholeTables(this.#configuration);
    await this.#session.restore(
      await readModelSnapshot(blobs, this.#tables, this.#configuration),
    );
    await this.#session.setLearningRateScale(1);
  }

  /** Frees its memory on the device. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.close();
    await this.#inference.close();
  }

  #scores(logits: Float32Array): Float64Array {
    const { tasks } = this;
    return Float64Array.from(logits, (logit, i) => prediction(tasks[i % tasks.length], logit));
  }
}

/** The rows in the precision of serving; undefined where that is exact. */
function servedRows(
  tables: ClassTables,
  { widths, precision }: CairnConfiguration["servingReplica"],
): ClassServingTables | undefined {
  if (precision === "fp32") return undefined;
  const served = new ClassServingTables({ widths, precision, bytesMax: TABLE_BYTES_MAX });
  let cursor: ExportCursor | undefined;
  for (let done = false; !done;) {
    const page = tables.exportRows(cursor, EXPORTED_ROWS);
    served.upsert(page.class, page.ids, page.rows);
    ({ cursor, done } = page);
  }
  return served;
}
