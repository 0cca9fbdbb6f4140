/**
 * Batch training in one process: the kernels called directly, without actors, logs or HTTP. It walks the trainer's
 * very path (unique ids → rows → pooled inputs → dense step → gradients per row), so its figures speak for the
 * online loop too.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { InferenceSession } from "../../kernels/dense/inference_session.ts";
import type { TrainingSession } from "../../kernels/dense/training_session.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { EmbeddingTable } from "../../kernels/embedding/embedding_table.ts";
import { ModelInputs } from "../../kernels/embedding/model_inputs.ts";
import { sigmoid } from "../../actors/trainer/progressive_validation.ts";
import { openInferenceSession, openTrainingSession } from "../dense_model.ts";
import type { LabelledBatch } from "../datasets/examples.ts";

/** What one batch showed before it was learned from. */
export interface PassStep {
  readonly loss: number;
  /** Probabilities of the first task. Shape `[rows]`. */
  readonly scores: Float64Array;
}

/** One model in training: its table, its dense weights, and the steps between them. */
export class TrainingPass {
  readonly #kernel = BatchKernel.create();
  readonly #table: EmbeddingTable;
  readonly #inputs: ModelInputs;
  readonly #session: TrainingSession;
  readonly #inference: InferenceSession;
  readonly #tasks: number;

  private constructor(
    configuration: CairnConfiguration,
    session: TrainingSession,
    inference: InferenceSession,
  ) {
    this.#session = session;
    this.#inference = inference;
    this.#table = EmbeddingTable.create(configuration.embeddingShard.table);
    this.#inputs = new ModelInputs({
      segments: configuration.trainer.segments,
      sparseInputs: session.model.sparseInputs,
      sequenceInputs: session.model.sequenceInputs,
      combiners: configuration.trainer.combiners,
    });
    this.#tasks = configuration.trainer.tasks;
  }

  /** An untrained model. */
  static async create(configuration: CairnConfiguration): Promise<TrainingPass> {
    return new TrainingPass(
      configuration,
      await openTrainingSession(configuration),
      await openInferenceSession(configuration),
    );
  }

  /** Rows of the embedding table. */
  get rows(): number {
    return this.#table.statistics().rows;
  }

  /** Learns from one batch; the scores are those from before. */
  async train({ features, labels, atMs }: LabelledBatch): Promise<PassStep> {
    const { uniqueIds, inverse, counts } = this.#kernel.unique(features.ids, 1);
    const rows = new Float32Array(uniqueIds.length * this.#inputs.width);
    this.#table.lookup(uniqueIds, rows, "initial");
    const step = await this.#session.step({
      rows: features.rows,
      ...this.#inputs.pool(rows, inverse, features),
      dense: features.dense,
      labels,
      logSampleRate: new Float32Array(features.rows),
    });
    const scores = this.#scores(step.logits, features.rows);
    const gradients = this.#inputs.gradients(step.gradients);
    this.#table.applyGradients(uniqueIds, gradients, counts, atMs / 1000);
    return { loss: step.loss, scores };
  }

  /** The served model takes over the trained dense weights: call it before {@link score}. */
  async publish(): Promise<void> {
    this.#inference.load(await this.#session.weights());
  }

  /** Probabilities of the first task as serving gives them: an id without a row counts as zeros. Shape `[rows]`. */
  async score({ features }: LabelledBatch): Promise<Float64Array> {
    const { uniqueIds, inverse } = this.#kernel.unique(features.ids, 1);
    const rows = new Float32Array(uniqueIds.length * this.#inputs.width);
    this.#table.lookup(uniqueIds, rows, "zeros");
    const logits = await this.#inference.predict({
      rows: features.rows,
      ...this.#inputs.pool(rows, inverse, features),
      dense: features.dense,
    });
    return this.#scores(logits, features.rows);
  }

  async close(): Promise<void> {
    await this.#session.close();
    await this.#inference.close();
  }

  #scores(logits: Float32Array, rows: number): Float64Array {
    return Float64Array.from({ length: rows }, (_, row) => sigmoid(logits[row * this.#tasks]));
  }
}
