/**
 * One forward pass: embedding lookup at the replicas, pooling, and the dense model.
 */
import type { ActorContext, AskOptions } from "../../mesh/runtime/actor.ts";
import type { Counter, Histogram } from "../../mesh/ports/telemetry.ts";
import type { InferenceBatch, InferenceSession } from "../../kernels/dense/inference_session.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { ModelInputs } from "../../kernels/embedding/model_inputs.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { RowClass } from "../../kernels/embedding/row_classes.ts";
import { RankingInputs } from "../../kernels/embedding/ranking_inputs.ts";
import { BatchMerger, type FeatureBatch } from "../../kernels/features/feature_batch.ts";
import { RankingMerger } from "../../kernels/features/ranking_batch.ts";
import type { ServingReplicaMessage } from "../serving_replica/protocol.ts";
import type { ScorerOptions } from "./options.ts";
import type { Freshness, ScorerMessage } from "./protocol.ts";
import { ReplicaClient } from "./replica_client.ts";

/** The model's inputs for some rows. */
export type PooledRows = Required<Omit<InferenceBatch, "shared">>;

/** The ids of rows, and whether they have learned rows. */
export interface FoundLists {
  /** List (row, i) begins at `[row · slots + i]` and ends at the next. */
  readonly listOffsets: Uint32Array;
  /** Lists of each row. */
  readonly slots: number;
  /** 1 for a distinct id that has a row, `[unique]`. */
  readonly found: Uint8Array;
  /** Index of each id among the distinct ids, `[ids]`. */
  readonly inverse: Uint32Array;
}

interface LookedUp extends FoundLists, Freshness {}

/** The model's outputs, and lists of {@link ForwardPass.listedSlots}; valid until the next pass. */
export interface ScoredLists extends LookedUp {
  /** `[rows, tasks]` */
  readonly outputs: Float32Array;
}

/** The first half of a pass. Valid until the next pass. */
export interface PooledLists extends LookedUp {
  readonly pooled: PooledRows;
}

/** Pooled rows with the model's outputs. Valid until the next pass. */
export interface PassResult {
  readonly pooled: PooledRows;
  /** `[rows, tasks]` */
  readonly outputs: Float32Array;
}

/** Slots that all rows of a ranking share, where the session takes them once a ranking. */
interface RankingForm {
  readonly merger: RankingMerger;
  readonly inputs: RankingInputs;
}

export class ForwardPass {
  readonly #session: InferenceSession;
  readonly #kernel: BatchKernel;
  readonly #inputs: ModelInputs;
  readonly #merger: BatchMerger;
  readonly #byRanking: RankingForm | undefined;
  /** Slots of the lists in {@link ScoredLists}, in order. */
  readonly listedSlots: readonly number[];
  readonly #context: ActorContext<ScorerMessage>;
  readonly #classes: readonly RowClass[];
  #replicas: ReplicaClient;
  readonly #slots: number;
  readonly #rows: Counter;
  readonly #batchRows: Histogram;
  readonly #lookupsAway: Counter;

  constructor(
    context: ActorContext<ScorerMessage>,
    { layout, replicas, schema }: ScorerOptions,
    session: InferenceSession,
  ) {
    this.#context = context;
    this.#session = session;
    this.#classes = layout.classes;
    this.#slots = schema.slots.length;
    this.#kernel = BatchKernel.create(layout.classes);
    const { sparseInputs, historyInputs } = session.model;
    const combiners = schema.slots.map((slot) => slot.pooling);
    const pooling = { layout, sparseInputs, combiners };
    this.#inputs = new ModelInputs({ ...pooling, historyInputs });
    const shape = { slots: schema.slots.length, denseWidth: schema.denseWidth };
    this.#merger = new BatchMerger(shape);
    if (session.sharedSlots.length > 0) {
      const merger = new RankingMerger(shape, session.sharedSlots);
      this.#byRanking = { merger, inputs: new RankingInputs(pooling, merger.slots) };
    }
    this.listedSlots = this.#byRanking?.merger.slots.own ?? [...combiners.keys()];
    this.#replicas = this.#clientOf(replicas);
    this.#rows = context.telemetry.counter("cairn_scorer_rows_total", {
      help: "Candidates scored.",
    });
    this.#lookupsAway = context.telemetry.counter("cairn_scorer_lookups_away_total", {
      help: "Lookups in a shard that no replica answered, so that its ids counted as absent.",
    });
    this.#batchRows = context.telemetry.histogram("cairn_scorer_batch_rows", {
      help: "Candidates that shared one forward pass.",
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000],
    });
  }

  /**
   * Asks other replicas, and those in use; undefined unless a replica of each shard has a mark, and
   * they have learned all that the last answers have shown. A scorer that restarts after a change
   * of shards begins with replicas of which some, or all, have ended: there others may lack shards
   * that are away, where they give a greater share of the rows.
   *
   * @param replicas By shard.
   */
  async ready(
    replicas: ScorerOptions["replicas"],
    budgetMs: number,
  ): Promise<ReplicaClient | undefined> {
    const offered = this.#clientOf(replicas);
    await Promise.all([offered, this.#replicas].map((each) => each.probe(budgetMs)));
    const inUse = this.#replicas;
    const knowAll = offered.know(inUse.newestMarkMs);
    const haveEnded = !inUse.haveAnswered || inUse.shareAnswering === 0;
    const giveMore = haveEnded && offered.shareAnswering > inUse.shareAnswering;
    const isReady = offered.canLookUp && knowAll && (offered.shardsAway === 0 || giveMore);
    return isReady ? offered : undefined;
  }

  /** Looks rows up in these replicas from the next pass on. */
  useReplicas(replicas: ReplicaClient): void {
    this.#replicas = replicas;
  }

  #clientOf(replicas: ScorerOptions["replicas"]): ReplicaClient {
    return new ReplicaClient({
      scorer: this.#context.self.address,
      replicas: replicas.map((each) =>
        each.map((address) => this.#context.actorRef<ServingReplicaMessage>(address))
      ),
      classes: this.#classes,
      clock: this.#context.clock,
    });
  }

  /**
   * Scores the rows of several requests in one pass, request after request. The session decides
   * whether the slots that all rows of a request share are computed once.
   *
   * @throws {Error} When a shard that lookups wait for does not answer within the budget.
   */
  async score(requests: readonly FeatureBatch[], lookup: AskOptions): Promise<ScoredLists> {
    if (this.#byRanking === undefined) {
      const batch = this.#merger.merge(requests);
      const { pooled, ...lists } = await this.pool(batch, lookup);
      return { ...lists, outputs: await this.#predict(pooled) };
    }
    const { merger, inputs } = this.#byRanking;
    const batch = merger.merge(requests);
    const { embeddings, grouped, ...lists } = await this.#lookup(batch.ids, lookup);
    const pooled = inputs.pool(embeddings, grouped, batch);
    const outputs = await this.#predict({ rows: batch.rows, ...pooled, dense: batch.dense });
    return {
      listOffsets: batch.own.listOffsets,
      slots: this.listedSlots.length,
      ...lists,
      inverse: grouped.inverse,
      outputs,
    };
  }

  /**
   * Scores a batch and keeps its pooled rows.
   *
   * @throws {Error} When a shard that lookups wait for does not answer within the budget.
   */
  async run(batch: FeatureBatch, lookup: AskOptions): Promise<PassResult> {
    const { pooled } = await this.pool(batch, lookup);
    return { pooled, outputs: await this.#predict(pooled) };
  }

  /**
   * The first half of a pass: looks up and pools a batch, without the dense model.
   *
   * @throws {Error} When a shard that lookups wait for does not answer within the budget.
   */
  async pool(batch: FeatureBatch, lookup: AskOptions): Promise<PooledLists> {
    const { embeddings, grouped, ...lists } = await this.#lookup(batch.ids, lookup);
    const pooled = {
      rows: batch.rows,
      ...this.#inputs.pool(embeddings, grouped, batch),
      dense: batch.dense,
    };
    const { listOffsets } = batch;
    return { pooled, listOffsets, slots: this.#slots, ...lists, inverse: grouped.inverse };
  }

  /** The rows of ids, and the distinct ones among these. */
  async #lookup(ids: FeatureIds, lookup: AskOptions) {
    const grouped = this.#kernel.uniqueView(ids, this.#replicas.shards);
    const { rows: embeddings, ...lists } = await this.#replicas.lookup(grouped, lookup);
    if (lists.shardsAway > 0) this.#lookupsAway.add(lists.shardsAway);
    return { embeddings, grouped, ...lists };
  }

  async #predict(batch: InferenceBatch): Promise<Float32Array<ArrayBuffer>> {
    const outputs = await this.#session.predict(batch);
    this.#rows.add(batch.rows);
    this.#batchRows.record(batch.rows);
    return outputs;
  }

  /** Asks shards for their marks, see {@link ReplicaClient.probe}. */
  async probeReplicas(budgetMs: number): Promise<void> {
    await this.#replicas.probe(budgetMs);
  }

  /** Whether passes go on without shards that are away. */
  get canLookUp(): boolean {
    return this.#replicas.canLookUp;
  }

  /** The freshness of all shards, by their last answers. */
  get freshness(): Freshness {
    const { shardsAway, learnedThroughMs } = this.#replicas;
    return { shardsAway, learnedThroughMs };
  }
}
