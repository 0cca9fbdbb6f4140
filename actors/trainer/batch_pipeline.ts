/**
 * Takes batches through lookup, pooling, the dense step and the shards, up to two at a time.
 *
 * While the oldest batch is in its dense step, the rows of the next one are looked up and pooled.
 * Steps run one after the other, and the gradients of at most one batch are on their way to the
 * shards. Which messages a shard gets, and in which order, does not depend on timing.
 */
import { BatchKernel, type UniqueIds } from "../../kernels/embedding/batch_kernel.ts";
import { ModelInputs } from "../../kernels/embedding/model_inputs.ts";
import { numberLists } from "../../kernels/dense/lists.ts";
import { type TrainingBatch, viewOfRows } from "../../kernels/dense/training_batch.ts";
import type { TrainingSession, TrainingStep } from "../../kernels/dense/training_session.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { Span, Tracing } from "../../mesh/ports/tracing.ts";
import { invariant, present } from "../../structures/invariant.ts";
import type { TrainerOptions } from "./options.ts";
import type { ShardClient } from "./shard_client.ts";
import type { ExampleBatch } from "./example_batch.ts";

/**
 * Batches of a pipelined trainer in flight. The rows of a batch then lack the gradients of one. A
 * third batch repeats the large first steps of new rows once more before the model sees their
 * effect: DeepFM's loss over 100,000 new ids rose from 0.66 to 6.7 in batches of 512 rows; with two
 * batches of 512 or 128 it does not rise, as without pipelining.
 */
const PIPELINED_BATCHES = 2;

/** Memory for one batch in flight, reused by later ones. */
interface BatchWorkspace {
  /** Pools the batch. The gradients it returns lie in its memory until it pools again. */
  readonly inputs: ModelInputs;
  /** Arrays of a full batch's size. */
  readonly buffers: TrainingBatch;
  /** Resolves when the gradients that lie in `inputs` are applied. */
  applied: Promise<void>;
}

/** A batch on its way to the model. */
interface BatchInFlight {
  readonly batch: ExampleBatch;
  readonly grouped: UniqueIds;
  readonly workspace: BatchWorkspace;
  readonly beganMs: number;
  /** Ends when the gradients are applied; undefined where no trace of the batch is recorded. */
  readonly span: Span | undefined;
  /** The dense step. It waits for the batch's rows and for the step of the batch before. */
  readonly step: Promise<TrainingStep>;
}

/** A batch whose gradients all shards have applied. */
export interface LearnedBatch {
  readonly batch: ExampleBatch;
  readonly loss: number;
  /** From the lookup to the applied gradients. */
  readonly tookMs: number;
}

/** A batch that the dense step refused. Weights and shards are as before it. */
export interface RefusedBatch {
  readonly batch: ExampleBatch;
  readonly error: Error;
  /** Batches that were in flight behind it, in order. They must begin again. */
  readonly behind: readonly ExampleBatch[];
}

export interface BatchPipelineParts {
  readonly session: TrainingSession;
  readonly kernel: BatchKernel;
  readonly shards: ShardClient;
  readonly clock: Clock;
  readonly tracing: Tracing;
  /** Called after the dense step, in the batches' order. */
  onStep(batch: ExampleBatch, step: TrainingStep): void;
  /** Called when a batch is learned, in the batches' order. */
  onLearned(learned: LearnedBatch): void;
}

export class BatchPipeline {
  readonly #parts: BatchPipelineParts;
  readonly #shardCount: number;
  /** Workspaces that no batch in flight has. */
  readonly #idle: BatchWorkspace[];
  /** Oldest first. */
  readonly #inFlight: BatchInFlight[] = [];
  /** Resolves when the newest batch in flight has been given to the session. */
  #submitted: Promise<unknown> = Promise.resolve();
  /** Why a batch failed. No batch behind it begins its step. */
  #failed: Error | undefined;
  /** The gradients on their way to the shards, of at most one batch. */
  #applying: Promise<void> = Promise.resolve();
  /** By partition, the sequence of the newest batch that began. */
  readonly #begun = new Map<number, number>();

  constructor(parts: BatchPipelineParts, options: TrainerOptions) {
    this.#parts = parts;
    this.#shardCount = options.shards.length;
    const { layout, combiners } = options;
    const { sparseInputs, historyInputs } = parts.session.model;
    this.#idle = Array.from({ length: options.pipelined ? PIPELINED_BATCHES : 1 }, () => ({
      inputs: new ModelInputs({ layout, sparseInputs, historyInputs, combiners, learns: true }),
      buffers: parts.session.allocateBatch(options.batchRows),
      applied: Promise.resolve(),
    }));
  }

  /** Whether another batch may begin. */
  get hasRoom(): boolean {
    return this.#idle.length > 0;
  }

  /** Whether no batch is in flight. Gradients of the last one may still be on their way. */
  get isEmpty(): boolean {
    return this.#inFlight.length === 0;
  }

  /** Asks the shards for the batch's rows. Requires {@link hasRoom}. */
  begin(batch: ExampleBatch): void {
    const { clock, kernel, session, shards } = this.#parts;
    const { rows } = batch.features;
    const begun = this.#begun.get(batch.partition) ?? -Infinity;
    invariant(batch.sequence - rows >= begun, "batches of a partition follow each other");
    this.#begun.set(batch.partition, batch.sequence);
    const workspace = present(this.#idle.pop(), "a batch begins where a workspace is idle");
    const beganMs = clock.monotonicMs();
    const span = this.#spanOf(batch);
    const grouped = kernel.unique(batch.features.ids, this.#shardCount);
    const lookup = shards.lookup(grouped, span?.context);
    const submitted = this.#submitted.then(async () => {
      const lookedUp = await lookup;
      // No wait, unless a shard was asked twice: a shard applies a batch's gradients before it
      // answers the next batch's lookup.
      await workspace.applied;
      const filled = this.#fill(workspace, batch, grouped, lookedUp);
      shards.giveBack(lookedUp);
      if (this.#failed !== undefined) throw this.#failed;
      return { step: session.step(filled) };
    });
    const step = submitted.then(({ step }) => step);
    // They are awaited in a later turn; until then a failure must not count as unhandled.
    for (const promise of [lookup, submitted, step]) {
      promise.catch((error) => this.#failed ??= error);
    }
    this.#submitted = submitted;
    this.#inFlight.push({ batch, grouped, workspace, beganMs, span, step });
  }

  /**
   * Waits for the step of the oldest batch, and sends its gradients to the shards.
   *
   * @returns The batch where its step diverged. The pipeline is empty then.
   * @throws {Error} When a lookup, the step or the gradients of a batch before failed.
   */
  async learnOldest(): Promise<RefusedBatch | undefined> {
    const oldest = present(this.#inFlight.shift(), "a batch is in flight");
    const { batch, workspace, step } = oldest;
    let stepped: TrainingStep;
    try {
      stepped = await step;
    } catch (error) {
      // By name: the step may have run in another thread.
      oldest.span?.fail((error as Error).message);
      oldest.span?.end();
      if ((error as Error).name !== "DivergenceError") throw error;
      return { batch, error: error as Error, behind: await this.#reset(oldest) };
    }
    this.#parts.onStep(batch, stepped);
    const gradients = workspace.inputs.gradients(stepped.gradients);
    // One batch after the other: a shard takes a retry that comes after the next batch for a
    // duplicate.
    await this.#applying;
    this.#applying = this.#apply(oldest, gradients, stepped.loss);
    workspace.applied = this.#applying;
    this.#idle.push(workspace);
    // With other batches in flight the shards may take their time. A failure then fails the turn of
    // the next batch.
    if (this.isEmpty) await this.#applying;
    else this.#applying.catch(() => {});
    return undefined;
  }

  /**
   * Whether the step would accept a batch, which may be learned already. Nothing changes. Requires
   * that no batch is in flight.
   */
  async accepts(batch: ExampleBatch): Promise<boolean> {
    invariant(this.isEmpty, "a batch is tried while no other one is in flight");
    const { kernel, session, shards } = this.#parts;
    await this.#applying;
    const workspace = present(this.#idle.pop(), "no batch has a workspace");
    const checkpoint = await session.checkpoint();
    try {
      const grouped = kernel.unique(batch.features.ids, this.#shardCount);
      const lookedUp = await shards.lookup(grouped);
      const filled = this.#fill(workspace, batch, grouped, lookedUp);
      shards.giveBack(lookedUp);
      await session.step(filled);
    } catch (error) {
      if ((error as Error).name === "DivergenceError") return false;
      throw error;
    } finally {
      this.#idle.push(workspace);
    }
    await session.restore(checkpoint);
    return true;
  }

  /** Resolves when nothing is on its way to the shards or in the session, however it ended. */
  async drain(): Promise<void> {
    const steps = this.#inFlight.map(({ step }) => step);
    await Promise.allSettled([this.#applying, this.#submitted, ...steps]);
  }

  #spanOf({ features: { rows }, traces }: ExampleBatch): Span | undefined {
    if (traces === undefined) return undefined;
    const attributes = { "cairn.examples": rows };
    return this.#parts.tracing.begin("trainer step", {
      kind: "consumer",
      links: traces,
      attributes,
    });
  }

  /** Drops the batches behind a refused one, whose steps have failed with it. */
  async #reset(refused: BatchInFlight): Promise<ExampleBatch[]> {
    const behind = this.#inFlight.splice(0);
    await Promise.allSettled([this.#submitted, ...behind.map(({ step }) => step)]);
    await this.#applying; // of the batch before
    for (const { workspace } of [refused, ...behind]) this.#idle.push(workspace);
    for (const { span } of behind) span?.end();
    this.#submitted = Promise.resolve();
    this.#failed = undefined;
    // From the newest to the oldest, so that the oldest of each partition decides.
    for (const { batch } of [refused, ...behind].toReversed()) {
      this.#begun.set(batch.partition, batch.before.sequence);
    }
    return behind.map(({ batch }) => batch);
  }

  /** Pools the batch's rows, and copies its other inputs to the workspace. */
  #fill(
    { inputs, buffers }: BatchWorkspace,
    { features, labels, logSampleRate, rankings }: ExampleBatch,
    grouped: UniqueIds,
    rows: readonly Float32Array[],
  ): TrainingBatch {
    const filled = viewOfRows(buffers, 0, features.rows);
    filled.dense.set(features.dense);
    filled.labels.set(labels);
    filled.logSampleRate.set(logSampleRate);
    if (filled.lists !== undefined) numberLists(rankings, filled.lists);
    if (this.#parts.session.provider === "cuda") {
      // The device copies from page-locked memory.
      inputs.pool(rows, grouped, features, filled);
      return filled;
    }
    // Elsewhere the step reads and writes in the kernel's memory, which stays valid until the
    // workspace pools again.
    const { gradients, ...pooled } = inputs.poolToLearn(rows, grouped, features);
    const results = present(filled.results, "allocated batches have room for results");
    return { ...filled, ...pooled, results: { ...results, gradients } };
  }

  /** Resolves when all shards have applied the gradients. */
  async #apply(
    { batch, grouped, beganMs, span }: BatchInFlight,
    gradients: Float32Array<ArrayBuffer>,
    loss: number,
  ): Promise<void> {
    const { clock, shards, onLearned } = this.#parts;
    const { partition, sequence, chunk, atMs } = batch;
    const trace = span?.context;
    await shards.applyGradients(grouped, { gradients, partition, sequence, chunk, atMs, trace })
      .finally(() => span?.end());
    onLearned({ batch, loss, tookMs: clock.monotonicMs() - beganMs });
  }
}
