/**
 * A training session in threads of its own, one for each core that the dense step may use. ONNX
 * Runtime's binding stops the thread that calls it for the length of a step; a trainer whose steps
 * run elsewhere meanwhile pools the next batch and sends the last one's gradients.
 *
 * Each thread has a replica of the model. Several threads share a step: its parts go to the threads
 * as these become free (part_dealer.ts), and the first thread, the leader, sums the gradients in
 * the order of the parts and computes the next weights (leader.ts).
 */
import { partsOf } from "../../../kernels/dense/batch_parts.ts";
import { divergedAt, type Divergence } from "../../../kernels/dense/divergence.ts";
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
import type { PlacedModelParts, StepNumber, ThreadRole, WholeStep } from "./protocol.ts";
import { ReplicaError, ReplicaThread } from "./model_replica.ts";
import { PartDealer } from "./part_dealer.ts";
import { present } from "../../../structures/invariant.ts";

export class ThreadedSession implements TrainingSession {
  readonly model: Model;
  readonly provider = "cpu";
  /** The leader first. */
  readonly #replicas: readonly ReplicaThread[];
  readonly #leader: ReplicaThread;
  readonly #dealer: PartDealer;
  /** Arrays that travel with whole batches and have come back. */
  readonly #spare: TrainingBatch[] = [];
  /** Steps asked for, and those of them that are done. */
  #asked = 0;
  #answered = 0;
  #learningRateScale = 1;

  private constructor(model: Model, replicas: readonly ReplicaThread[]) {
    this.model = model;
    this.#replicas = replicas;
    this.#leader = present(replicas[0], "a session has a thread");
    this.#dealer = new PartDealer(model, replicas);
  }

  /**
   * As many replicas as `parts.session.threads`, on the CPU; one with as many threads for a model
   * that normalises over the batch, which cannot be shared.
   *
   * @throws {Error} As `createTrainingSession` does, by name and message.
   */
  static async open(parts: PlacedModelParts): Promise<ThreadedSession> {
    const count = normalizesBatches(parts.model) ? 1 : Math.max(1, parts.session.threads);
    const replicas = rolesOf(count).map((role, r) => new ReplicaThread(parts, r, role));
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
    const results = batch.results ?? present(
      this.allocateBatch(batch.rows).results,
      "an allocated batch has arrays for results",
    );
    const whole = { ...batch, results };
    const waits = this.#answered < this.#asked;
    const learningRateScale = this.#learningRateScale;
    const number = { number: ++this.#asked, waits, learningRateScale };
    const firstRows = this.#replicas.length > 1 ? partsOf(batch, this.#replicas.length) : [];
    try {
      const loss = firstRows.length > 1
        ? await this.#shareStep(number, whole, firstRows)
        : await this.#stepWhole(number, whole);
      return { loss, logits: results.logits, gradients: results.gradients };
    } catch (error) {
      const divergence = divergenceOf(error);
      if (divergence !== undefined) throw divergedAt(divergence, batch);
      this.#end(error as Error);
      throw error;
    } finally {
      this.#answered++;
    }
  }

  setLearningRateScale(scale: number): Promise<void> {
    this.#learningRateScale = scale;
    return Promise.resolve();
  }

  allocateBatch(rows: number): TrainingBatch {
    return allocateBatch(this.model, rows, ordinaryMemory.allocate);
  }

  weights(): Promise<DenseWeights> {
    return this.#leader.ask({ kind: "weights" });
  }

  load(weights: DenseWeights): Promise<void> {
    return this.#leader.ask({ kind: "load", weights });
  }

  checkpoint(): Promise<TrainingCheckpoint> {
    return this.#leader.ask({ kind: "checkpoint" });
  }

  restore(checkpoint: TrainingCheckpoint): Promise<void> {
    return this.#leader.ask({ kind: "restore", checkpoint });
  }

  async close(): Promise<void> {
    // Where a thread has crashed there is nothing left to close.
    await Promise.allSettled(this.#replicas.map((replica) => replica.ask({ kind: "close" })));
    const closed = new Error("The session of the dense step is closed.");
    this.#end(closed);
  }

  /** Runs a batch in the leader, in arrays of its own. */
  async #stepWhole(number: StepNumber, whole: TrainingBatch): Promise<number> {
    const { rows } = whole;
    const spare = this.#spare.pop();
    const batch = spare !== undefined && spare.rows >= rows
      ? spare
      : allocateInOneBuffer(this.model, rows);
    copyInputs(whole, viewOfRows(batch, 0, rows));
    const step: WholeStep = { kind: "step", ...number, batch, rows };
    const { loss, batch: returned } = await this.#leader.ask(step, buffersOf(batch));
    const { results } = viewOfRows(returned, 0, rows);
    copyResults(
      present(results, "a thread returns its results"),
      present(whole.results, "a batch in a step has arrays for results"),
    );
    this.#spare.push(returned);
    return loss;
  }

  async #shareStep(
    step: StepNumber,
    whole: TrainingBatch,
    firstRows: readonly number[],
  ): Promise<number> {
    const { number } = step;
    const stepped = this.#leader.ask({
      kind: "sharedStep",
      ...step,
      parts: firstRows.length,
      rows: whole.rows,
      meanCount: meanCount(this.model.tasks, whole.logSampleRate),
    });
    const dealt = this.#dealer.deal({ number, batch: whole, firstRows });
    for (const outcome of [stepped, dealt]) {
      outcome.catch((error) => {
        this.#dealer.drop(number);
        // The leader would wait for the parts of a helper that has failed, and helpers for weights.
        if (divergenceOf(error) === undefined) this.#end(error);
      });
    }
    // The arrays of the batch are in use until no part is with a thread.
    const [parts] = await Promise.allSettled([dealt, stepped]);
    if (parts.status === "rejected") throw parts.reason;
    return await stepped;
  }

  /** Ends all threads; what was asked of them fails with `error`. */
  #end(error: Error): void {
    for (const replica of this.#replicas) replica.end(error);
  }
}

function divergenceOf(error: unknown): Divergence | undefined {
  return error instanceof ReplicaError ? error.failure.divergence : undefined;
}

/** The roles of so many threads. */
function rolesOf(count: number): ThreadRole[] {
  if (count === 1) return [{ kind: "alone" }];
  const channels = Array.from({ length: count - 1 }, () => new MessageChannel());
  return [
    { kind: "leader", ports: channels.map(({ port1 }) => port1) },
    ...channels.map(({ port2 }): ThreadRole => ({ kind: "helper", port: port2 })),
  ];
}
