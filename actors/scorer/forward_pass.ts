/**
 * One forward pass: embedding lookup at the replicas, pooling, and the dense model.
 */
import type { ActorContext, AskOptions } from "../../mesh/runtime/actor.ts";
import type { Counter, Histogram } from "../../mesh/ports/telemetry.ts";
import type { InferenceBatch, InferenceSession } from "../../kernels/dense/inference_session.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { ModelInputs } from "../../kernels/embedding/model_inputs.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { ServingReplicaMessage } from "../serving_replica/protocol.ts";
import type { ScorerOptions } from "./options.ts";
import type { ScorerMessage } from "./protocol.ts";
import { ReplicaClient } from "./replica_client.ts";

/** The model's inputs for some rows. */
export type PooledRows = Required<InferenceBatch>;

/** The result of a pass: a batch with the model's outputs. Valid until the next pass. */
export interface PassResult {
  readonly batch: FeatureBatch;
  readonly slots: number;
  /** 1 for a distinct id that has a row, `[unique]`. */
  readonly found: Uint8Array;
  /** Index of each id among the distinct ids, `[ids]`. */
  readonly inverse: Uint32Array;
  readonly pooled: PooledRows;
  /** `[rows, tasks]` */
  readonly outputs: Float32Array;
}

export class ForwardPass {
  readonly #session: InferenceSession;
  readonly #kernel: BatchKernel;
  readonly #inputs: ModelInputs;
  readonly #context: ActorContext<ScorerMessage>;
  readonly #classes: number;
  #replicas: ReplicaClient;
  #shards: number;
  readonly #slots: number;
  readonly #rows: Counter;
  readonly #batchRows: Histogram;
  #areReplicasUp = false;

  constructor(
    context: ActorContext<ScorerMessage>,
    { layout, replicas, schema }: ScorerOptions,
    session: InferenceSession,
  ) {
    this.#context = context;
    this.#session = session;
    this.#classes = layout.classes.length;
    this.#shards = replicas.length;
    this.#slots = schema.slots.length;
    this.#kernel = BatchKernel.create(layout.classes);
    this.#inputs = new ModelInputs({
      layout,
      sparseInputs: session.model.sparseInputs,
      historyInputs: session.model.historyInputs,
      combiners: schema.slots.map((slot) => slot.pooling),
    });
    this.#replicas = this.#clientOf(replicas);
    this.#rows = context.telemetry.counter("cairn_scorer_rows_total", {
      help: "Candidates scored.",
    });
    this.#batchRows = context.telemetry.histogram("cairn_scorer_batch_rows", {
      help: "Candidates that shared one forward pass.",
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000],
    });
  }

  /** Looks rows up in these replicas from the next pass on; by shard. */
  useReplicas(replicas: ScorerOptions["replicas"]): void {
    this.#replicas = this.#clientOf(replicas);
    this.#shards = replicas.length;
  }

  #clientOf(replicas: ScorerOptions["replicas"]): ReplicaClient {
    return new ReplicaClient(
      replicas.map((each) =>
        each.map((address) => this.#context.actorRef<ServingReplicaMessage>(address))
      ),
      this.#classes,
    );
  }

  /**
   * Scores a batch.
   *
   * @throws {Error} When no replica of a shard answers within the budget.
   */
  async run(batch: FeatureBatch, lookup: AskOptions): Promise<PassResult> {
    const looked = await this.pool(batch, lookup);
    const outputs = await this.#session.predict(looked.pooled);
    this.#rows.add(batch.rows);
    this.#batchRows.record(batch.rows);
    return { ...looked, outputs };
  }

  /**
   * The first half of a pass: looks up and pools a batch, without the dense model.
   *
   * @throws {Error} When no replica of a shard answers within the budget.
   */
  async pool(batch: FeatureBatch, lookup: AskOptions): Promise<Omit<PassResult, "outputs">> {
    const grouped = this.#kernel.uniqueView(batch.ids, this.#shards);
    this.#areReplicasUp = false;
    const { rows: embeddings, found } = await this.#replicas.lookup(grouped, lookup);
    this.#areReplicasUp = true;
    const pooled = {
      rows: batch.rows,
      ...this.#inputs.pool(embeddings, grouped, batch),
      dense: batch.dense,
    };
    return { batch, slots: this.#slots, pooled, found, inverse: grouped.inverse };
  }

  /** Whether every shard has a replica that answers: by the last lookup, or by asking them. */
  async probeReplicas(budgetMs: number): Promise<boolean> {
    return this.#areReplicasUp ||= await this.#replicas.probe(budgetMs);
  }

  /** Whether the last lookup or probe succeeded. */
  get areReplicasUp(): boolean {
    return this.#areReplicasUp;
  }
}
