/**
 * A training session in threads of its own, one for each core that the dense step may use. ONNX
 * Runtime's binding stops the thread that calls it for the length of a step; a trainer whose steps
 * run elsewhere meanwhile pools the next batch and sends the last one's gradients.
 *
 * Each thread holds a replica of the model and takes its share of every batch's rows; they sum
 * their gradients and make the same next weights from them
 * (kernels/dense/sessions/passes_backend.ts).
 */
import { divergedAt } from "../../../kernels/dense/divergence.ts";
import { meanCount } from "../../../kernels/dense/losses.ts";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import type { Model } from "../../../kernels/dense/models/model.ts";
import { normalizesBatches } from "../../../kernels/dense/models/options.ts";
import { ordinaryMemory } from "../../../kernels/dense/sessions/host_memory.ts";
import {
  allocateBatch,
  allocateInOneBuffer,
  buffersOf,
  copyInputs,
  copyResults,
  requireWidths,
  type TrainingBatch,
  viewOfRows,
} from "../../../kernels/dense/training_batch.ts";
import type {
  TrainingCheckpoint,
  TrainingSession,
  TrainingStep,
} from "../../../kernels/dense/training_session.ts";
import type { DenseWeights } from "../../../kernels/dense/weights.ts";
import type { PlacedModelParts, Question, Step } from "./protocol.ts";
import { ReplicaError, ReplicaThread } from "./model_replica.ts";
import { present } from "../../../structures/invariant.ts";

export class ThreadedSession implements TrainingSession {
  readonly model: Model;
  readonly provider = "cpu";
  readonly #replicas: readonly ReplicaThread[];
  /** By replica, arrays that travel with its share of a batch and have come back. */
  readonly #spare: TrainingBatch[][];
  /** Steps asked for, and those of them that every replica has answered. */
  #asked = 0;
  #answered = 0;

  private constructor(model: Model, replicas: readonly ReplicaThread[]) {
    this.model = model;
    this.#replicas = replicas;
    this.#spare = replicas.map(() => []);
  }

  /**
   * As many replicas as `parts.session.threads`, on the CPU; one with as many threads for a model
   * that normalises over the batch, which cannot be shared.
   *
   * @throws {Error} As `createTrainingSession` does, by name and message.
   */
  static async open(parts: PlacedModelParts): Promise<ThreadedSession> {
    const count = normalizesBatches(parts.model) ? 1 : Math.max(1, parts.session.threads);
    const ports: MessagePort[][] = Array.from({ length: count }, () => []);
    for (let i = 0; i < count; i++) {
      for (let j = i + 1; j < count; j++) {
        const { port1, port2 } = new MessageChannel();
        ports[i].push(port1);
        ports[j].push(port2);
      }
    }
    const replicas = ports.map((own, replica) => new ReplicaThread(parts, replica, own));
    try {
      await Promise.all(replicas.map((replica) => replica.opened()));
    } catch (error) {
      for (const replica of replicas) replica.end(error as Error);
      throw error;
    }
    return new ThreadedSession(createModel(parts.model, parts.modelSizes), replicas);
  }

  async step(batch: TrainingBatch): Promise<TrainingStep> {
    requireWidths(this.model, batch);
    const rowsEach = Math.ceil(batch.rows / this.#replicas.length);
    const results = batch.results ?? present(
      this.allocateBatch(batch.rows).results,
      "an allocated batch has arrays for results",
    );
    const whole: TrainingBatch = { ...batch, results };
    const waits = this.#answered < this.#asked;
    const number = ++this.#asked;
    const counted = meanCount(this.model.tasks, batch.logSampleRate);
    const losses = await Promise.allSettled(this.#replicas.map(async (_replica, r) => {
      const firstRow = Math.min(batch.rows, r * rowsEach);
      const part = viewOfRows(whole, firstRow, Math.min(rowsEach, batch.rows - firstRow));
      const share = { firstRow, rowsInAll: batch.rows, meanCount: counted };
      return await this.#stepPart(r, part, { share, number, waits });
    }));
    this.#answered++;
    const [first] = losses;
    if (first.status === "fulfilled") {
      return { loss: first.value, logits: results.logits, gradients: results.gradients };
    }
    // All replicas diverge at once, each knowing its own rows only.
    const { reason } = first;
    const divergence = reason instanceof ReplicaError ? reason.failure.divergence : undefined;
    throw divergence === undefined ? reason : divergedAt(divergence, batch);
  }

  setLearningRateScale(scale: number): Promise<void> {
    return this.#tellAll({ kind: "scaleLearningRate", scale });
  }

  allocateBatch(rows: number): TrainingBatch {
    return allocateBatch(this.model, rows, ordinaryMemory.allocate);
  }

  weights(): Promise<DenseWeights> {
    return this.#replicas[0].ask({ kind: "weights" });
  }

  load(weights: DenseWeights): Promise<void> {
    return this.#tellAll({ kind: "load", weights });
  }

  checkpoint(): Promise<TrainingCheckpoint> {
    return this.#replicas[0].ask({ kind: "checkpoint" });
  }

  restore(checkpoint: TrainingCheckpoint): Promise<void> {
    return this.#tellAll({ kind: "restore", checkpoint });
  }

  async close(): Promise<void> {
    // Where a thread has crashed there is nothing left to close.
    await this.#tellAll({ kind: "close" }).catch(() => {});
    const closed = new Error("The session of the dense step is closed.");
    for (const replica of this.#replicas) replica.end(closed);
  }

  async #tellAll(question: Question): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.ask(question)));
  }

  /**
   * Has a replica take its share of a batch, in arrays of its own, and resolves with the loss of
   * the whole.
   */
  async #stepPart(
    r: number,
    part: TrainingBatch,
    position: Pick<Step, "share" | "number" | "waits">,
  ): Promise<number> {
    const { rows } = part;
    const spare = this.#spare[r].pop();
    const batch = spare !== undefined && spare.rows >= rows
      ? spare
      : allocateInOneBuffer(this.model, rows);
    copyInputs(part, viewOfRows(batch, 0, rows));
    try {
      const step: Step = { kind: "step", batch, rows, ...position };
      const { loss, batch: returned } = await this.#replicas[r].ask(step, buffersOf(batch));
      const results = present(
        viewOfRows(returned, 0, rows).results,
        "a replica returns its results",
      );
      copyResults(results, present(part.results, "a part of a batch has arrays for results"));
      this.#spare[r].push(returned);
      return loss;
    } catch (error) {
      // But for a divergence, which all share, the other replicas wait for one that does not come.
      const shared = error instanceof ReplicaError && error.failure.divergence !== undefined;
      if (!shared) { for (const replica of this.#replicas) replica.end(error as Error); }
      throw error;
    }
  }
}
