/**
 * An embedding shard's behaviour: its tables, which trainers change through sources, so that each
 * batch is applied once, and the deltas, snapshots, loads and moves of its rows.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { ClassTables } from "../../kernels/embedding/class_tables.ts";
import { misfitOfPage } from "../../kernels/embedding/row_classes.ts";
import { BufferPool } from "../../structures/buffer_pool.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import {
  type ApplyGradients,
  type BeginSnapshot,
  type EmbeddingShardMessage,
  type ExportRows,
  type GoBack,
  type Lookup,
  type OpenSource,
  type RemoveRows,
  type SourceOpening,
} from "./protocol.ts";
import { DeltaStream } from "./delta_stream.ts";
import { DeltaTakers } from "./delta_takers.ts";
import type { MovedShard, MovedShards } from "./moved_shards.ts";
import { listIds, removeRows } from "./removed_rows.ts";
import { ShardFigures } from "./shard_figures.ts";
import { ShardMoves } from "./shard_moves.ts";
import { Loading, loadRows } from "./loading.ts";
import type { RestoredShard } from "./shard_restore.ts";
import { ShardSnapshots } from "./shard_snapshots.ts";
import { NO_SOURCES, Sources } from "./sources.ts";

/** As many as two trainers have batches in flight. */
const SPARE_BUFFERS = 4;

/** Rows of a delta that is handed over with the shard. */
const HANDED_ROWS_MAX = 8_192;

/** Share of the memory limit of the tables that deltas may take which takers do not have yet. */
const HELD_DELTAS_SHARE = 1 / 32;

export interface EmbeddingShardDependencies {
  readonly blobs: BlobStore;
  readonly moved: MovedShards;
}

export class EmbeddingShard implements Behavior<EmbeddingShardMessage> {
  readonly #context: ActorContext<EmbeddingShardMessage>;
  readonly #options: EmbeddingShardOptions;
  readonly #tables: ClassTables;
  /** Memory of applied gradients, for the answers to lookups. */
  readonly #buffers = new BufferPool(SPARE_BUFFERS);
  /** Another one after each restart. It moves with the shard. */
  readonly #incarnation: string;
  /** How often the shard has moved since its incarnation began. */
  readonly #movedTimes: number;
  readonly #deltas: DeltaStream;
  readonly #takers: DeltaTakers;
  /** Rows that are being loaded. */
  #loading: Loading | undefined;
  readonly #moves: ShardMoves;
  readonly #snapshots: ShardSnapshots;
  readonly #sources: Sources;
  readonly #figures: ShardFigures;

  private constructor(
    context: ActorContext<EmbeddingShardMessage>,
    options: EmbeddingShardOptions,
    { blobs, moved }: EmbeddingShardDependencies,
    start: MovedShard,
  ) {
    this.#context = context;
    this.#options = options;
    const { tables, incarnation, moves, deltas } = start;
    const { shard } = options;
    this.#tables = tables;
    this.#incarnation = incarnation;
    this.#movedTimes = moves;
    this.#sources = new Sources(shard, incarnation, start);
    this.#snapshots = new ShardSnapshots({ context, tables, blobs, options });
    this.#deltas = new DeltaStream(tables, {
      shard,
      name: `${incarnation}/${moves}`,
      heldBytesMax: options.tables.bytesMax * HELD_DELTAS_SHARE,
    }, deltas);
    this.#takers = new DeltaTakers({
      context,
      deltas: this.#deltas,
      incarnation,
      isLoading: () => this.#loading !== undefined,
    });
    this.#figures = new ShardFigures(context, shard, tables.statistics(), options.tables.bytesMax);
    this.#moves = new ShardMoves({
      context,
      options,
      tables,
      moved,
      figures: this.#figures,
      incarnation,
      onFrozen: () => {
        this.#snapshots.abandon();
        this.#takers.releaseAll();
      },
      handOver: () => ({
        incarnation,
        moves: moves + 1,
        ...this.#sources.state,
        deltas: this.#deltas.handOver(HANDED_ROWS_MAX),
      }),
      receive: (message) => void this.receive(message),
    });
    this.#context.schedule(options.evictionIntervalMs, { kind: "evictExpired" });
  }

  static async start(
    context: ActorContext<EmbeddingShardMessage>,
    options: EmbeddingShardOptions,
    dependencies: EmbeddingShardDependencies,
  ): Promise<EmbeddingShard> {
    const moved = dependencies.moved.take(options.shard);
    if (moved !== undefined) {
      dependencies.moved.settle(options.shard);
      return new EmbeddingShard(context, options, dependencies, moved);
    }
    const { tables, loaded } = await loadRows(context, options, dependencies.blobs);
    const incarnation = context.random.uuid();
    const start = { tables, incarnation, moves: 0, ...NO_SOURCES, deltas: undefined };
    const shard = new EmbeddingShard(context, options, dependencies, start);
    if (loaded instanceof Loading) shard.#loadOn(loaded);
    else shard.#beginFrom(loaded);
    return shard;
  }

  /** The rows are those of a snapshot. */
  #beginFrom({ marks, snapshot }: RestoredShard): void {
    for (const { source, sequence } of marks) this.#sources.raiseHighWaterMark(source, sequence);
    this.#snapshots.loaded(snapshot);
  }

  /** Serves the rows that are loaded, until the others are. */
  #loadOn(loading: Loading): void {
    this.#loading = loading;
    const { shard } = this.#options;
    this.#context.telemetry.log("info", `embedding_shard/${shard} serves what is loaded`, {
      share: loading.share,
    });
    const tell = () => void this.#context.schedule(0, { kind: "rowsLoaded" });
    loading.restored.then(tell, tell);
  }

  async #rowsLoaded(): Promise<void> {
    const loading = this.#loading;
    if (loading === undefined) return;
    // A snapshot that cannot be read crashes the shard here.
    this.#beginFrom(await loading.restored);
    this.#loading = undefined;
    for (const message of loading.waiting.take()) await this.receive(message);
  }

  receive(message: EmbeddingShardMessage): void | Promise<void> {
    if ("rowsMax" in message) {
      const misfit = misfitOfPage(message.rowsMax);
      if (misfit !== undefined) return this.#context.replyError(message, misfit);
    }
    // Before all rows are loaded, and while the shard is frozen.
    const isHeldBack = this.#loading?.waiting.holdsBack(message) === true ||
      this.#moves.holdsBack(message);
    if (isHeldBack) return;
    switch (message.kind) {
      case "lookup":
        return this.#lookup(message);
      case "applyGradients":
        return this.#applyGradients(message);
      case "removeRows":
        return this.#removeRows(message);
      case "listIds": {
        const misfit = this.#tables.misfitOfPosition(message.cursor);
        if (misfit !== undefined) return this.#context.replyError(message, misfit);
        const page = listIds(this.#tables, message);
        return this.#context.reply(message, page, [page.ids.buffer]);
      }
      case "openSource":
        return this.#openSource(message);
      case "goBack":
        return this.#goBack(message);
      case "rowsLoaded":
        return this.#rowsLoaded();
      case "getIncarnation":
        return this.#context.reply(message, { incarnation: this.#incarnation });
      case "takeDeltas":
        this.#takers.take(message);
        return this.#figures.showDue(() => this.#tables.statistics());
      case "learned":
        return this.#takers.learned(message);
      case "takerWaited":
        return this.#takers.waited(message.taker);
      case "exportRows":
        return this.#exportRows(message);
      case "evictExpired":
        return this.#evictExpired();
      case "beginSnapshot":
        return this.#beginSnapshot(message);
      case "writeSnapshot":
      case "abandonSnapshot":
      case "writeSnapshotChunk":
        return this.#snapshots.answer(message);
      case "getStatistics":
        return this.#context.reply(message, {
          ...this.#tables.statistics(),
          shard: this.#options.shard,
          loadedShare: this.#loading?.share ?? 1,
          owesLoadedRows: this.#deltas.owesLoadedRows,
        });
      case "beginCopy":
      case "copyRows":
      case "getCopyChanges":
      case "finishCopy":
      case "awaitReport":
      case "freezeReported":
      case "abandonCopy":
      case "getGiving":
      case "awaitFreeze":
        return this.#moves.answer(message);
      default:
        message satisfies never;
    }
  }

  beginStop(): void {
    this.#takers.beginStop();
    this.#moves.beginStop();
    this.#loading?.waiting.beginStop();
    this.#snapshots.abandon();
  }

  stop(): void {
    this.#moves.stop();
  }

  #lookup(message: Lookup): void {
    const misfit = this.#tables.misfitOfIds(message);
    if (misfit !== undefined) return this.#context.replyError(message, misfit);
    const rows = this.#tables.lookup(message, message.missing, this.#buffers);
    this.#context.reply(message, { rows }, [rows.buffer]);
  }

  #openSource(message: OpenSource): void {
    const { source, tenure = 0 } = message;
    let opening: SourceOpening;
    try {
      opening = this.#sources.open(source, tenure);
    } catch (error) {
      return this.#context.replyError(message, error as Error);
    }
    this.#context.reply(message, { ...this.#sources.markOf(source), ...opening });
  }

  #applyGradients(message: ApplyGradients): void {
    const refusal = this.#sources.refusalOf(message.source, message.opening) ??
      this.#tables.misfitOfUpdate(message, message.gradients, message.counts);
    if (refusal !== undefined) return this.#context.replyError(message, refusal);
    const mark = this.#sources.highWaterMarkOf(message.source);
    if (message.sequence <= mark) return this.#context.reply(message, { applied: false });
    this.#tables.applyGradients(
      message,
      message.gradients,
      message.counts,
      Math.floor(message.atMs / 1_000),
    );
    this.#snapshots.updated();
    this.#buffers.give(message.gradients);
    this.#sources.raiseHighWaterMark(message.source, message.sequence, message.chunk);
    this.#deltas.trace(this.#context.traceOf(message));
    this.#figures.gradientsApplied(message.ids.length);
    this.#context.reply(message, { applied: true });
  }

  #removeRows(message: RemoveRows): void {
    const { source, sequence, opening } = message;
    const refusal = this.#sources.refusalOf(source, opening) ?? this.#tables.misfitOfIds(message);
    if (refusal !== undefined) return this.#context.replyError(message, refusal);
    if (sequence <= this.#sources.highWaterMarkOf(source)) {
      return this.#context.reply(message, { applied: false, rows: {} });
    }
    const rows = removeRows(this.#tables, message);
    this.#snapshots.erased();
    if (message.isLast) this.#sources.raiseHighWaterMark(source, sequence, message.chunk);
    this.#context.reply(message, { applied: true, rows });
  }

  #beginSnapshot(message: BeginSnapshot): void {
    const refusal = this.#sources.cut(message.marks);
    if (refusal !== undefined) return this.#context.replyError(message, refusal);
    this.#snapshots.begin(message);
    this.#context.reply(message, undefined);
  }

  #goBack(message: GoBack): void {
    const isOther = message.opening.incarnation !== this.#incarnation;
    if (isOther) return this.#context.reply(message, undefined);
    throw new Error("a trainer gave up the updates since the newest snapshot");
  }

  #exportRows(message: ExportRows): void {
    const moves = this.#movedTimes;
    if (message.cursor !== undefined && message.cursor.moves !== moves) {
      const { shard } = this.#options;
      return this.#context.replyError(
        message,
        new Error(`embedding_shard/${shard} has moved: export its rows from the first page on.`),
      );
    }
    const misfit = this.#tables.misfitOfPosition(message.cursor);
    if (misfit !== undefined) return this.#context.replyError(message, misfit);
    const page = this.#tables.exportRows(message.cursor, message.rowsMax);
    const cursor = { ...page.cursor, moves };
    this.#context.reply(message, { ...page, cursor, position: this.#deltas.position }, [
      page.ids.buffer,
      page.rows.buffer,
    ]);
  }

  #evictExpired(): void {
    this.#tables.evictExpired(this.#options.evictionBucketsMax);
    this.#figures.show(this.#tables.statistics());
    this.#figures.showBuckets(() => this.#tables.entriesPerBucket());
    this.#context.schedule(this.#options.evictionIntervalMs, { kind: "evictExpired" });
  }
}
