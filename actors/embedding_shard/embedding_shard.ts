/**
 * An embedding shard's behaviour: its tables, which trainers change through sources, so that each
 * batch is applied once, and the deltas, snapshots, loads and moves of its rows.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { Counter } from "../../mesh/ports/telemetry.ts";
import { ClassTables } from "../../kernels/embedding/class_tables.ts";
import { BufferPool } from "../../structures/buffer_pool.ts";
import { present } from "../../structures/invariant.ts";
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
  type TakeDelta,
} from "./protocol.ts";
import { type BeginCopy, type CopyRequest, ShardMovingError } from "./copy_protocol.ts";
import { buffersOf, DeltaStream } from "./delta_stream.ts";
import { Giving, type GivingParts, refuseCopy } from "./giving.ts";
import type { MovedShard, MovedShards } from "./moved_shards.ts";
import { listIds, removeRows } from "./removed_rows.ts";
import { ShardFigures } from "./shard_figures.ts";
import { Loading, LoadProgress, ShardLoadingError } from "./loading.ts";
import { type RestoredShard, restoreNewest } from "./shard_restore.ts";
import { ShardSnapshot } from "./shard_snapshot.ts";
import { StoredChain } from "./stored_chain.ts";
import { Sources } from "./sources.ts";

/** Interval at which the entries per bucket are counted, ms. Counting visits all buckets. */
const BUCKETS_INTERVAL_MS = 60_000;

/** As many as a trainer has batches in flight. */
const SPARE_BUFFERS = 4;

/** Rows of a delta that is handed over with the shard. */
const HANDED_ROWS_MAX = 8_192;

export interface EmbeddingShardDependencies {
  readonly blobs: BlobStore;
  readonly moved: MovedShards;
}

export class EmbeddingShard implements Behavior<EmbeddingShardMessage> {
  readonly #context: ActorContext<EmbeddingShardMessage>;
  readonly #options: EmbeddingShardOptions;
  readonly #tables: ClassTables;
  readonly #blobs: BlobStore;
  /** Memory of applied gradients, for the answers to lookups. */
  readonly #buffers = new BufferPool(SPARE_BUFFERS);
  readonly #moved: MovedShards;
  /** Another one after each restart. It moves with the shard. */
  readonly #incarnation: string;
  /** How often the shard has moved since its incarnation began. */
  readonly #moves: number;
  readonly #deltas: DeltaStream;
  /** Rows that are being loaded. */
  #loading: Loading | undefined;
  /** The move to another node that is under way. */
  #giving: Giving | undefined;
  #snapshot: ShardSnapshot | undefined;
  readonly #chain: StoredChain;
  readonly #sources: Sources;
  readonly #labels: { readonly shard: string };
  readonly #gradientRows: Counter;
  readonly #figures: ShardFigures;
  #bucketsShownMs = -Infinity;

  private constructor(
    context: ActorContext<EmbeddingShardMessage>,
    options: EmbeddingShardOptions,
    { blobs, moved }: EmbeddingShardDependencies,
    start: MovedShard,
  ) {
    this.#context = context;
    this.#options = options;
    this.#blobs = blobs;
    this.#moved = moved;
    const { tables, incarnation, moves, deltas } = start;
    const { shard } = options;
    this.#tables = tables;
    this.#incarnation = incarnation;
    this.#moves = moves;
    this.#sources = new Sources(shard, incarnation, start);
    this.#chain = new StoredChain(shard);
    this.#deltas = new DeltaStream(tables, shard, `${incarnation}/${moves}`, deltas);
    // It handed itself over and crashed: the copy may be the owner by now.
    const copy = moved.givenTo(shard, options.tenure);
    if (copy !== undefined) this.#giving = new Giving(copy, undefined, this.#givingParts());
    this.#labels = { shard: String(options.shard) };
    this.#gradientRows = context.telemetry.counter("cairn_shard_gradient_rows_total", {
      help: "Rows for which gradients arrived; a row counts once a batch.",
      labelNames: ["shard"],
    });
    this.#figures = new ShardFigures(
      context,
      options.shard,
      tables.statistics(),
      options.tables.bytesMax,
    );
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
    const tables = ClassTables.create(options.tables);
    // Deltas carry the rows that are loaded from now on, if replicas are to have them before the
    // end of the load.
    tables.deltas.take(0, 1);
    const progress = new LoadProgress(() => context.isCurrent);
    const { blobs } = dependencies;
    const restoring = restoreNewest(tables, options, blobs, context.telemetry, progress);
    const isLoaded = await context.settlesWithin(restoring, options.loadWaitMs);
    if (isLoaded) tables.deltas.end();
    const start = {
      tables,
      incarnation: context.random.uuid(),
      moves: 0,
      marks: [],
      epochs: [],
      deltas: undefined,
    };
    const shard = new EmbeddingShard(context, options, dependencies, start);
    if (isLoaded) shard.#beginFrom(await restoring);
    else shard.#loadOn(new Loading(restoring, progress));
    return shard;
  }

  /** The rows are those of a snapshot. */
  #beginFrom({ marks, snapshot }: RestoredShard): void {
    for (const { source, sequence } of marks) this.#sources.moveMark(source, sequence);
    this.#chain.begin(snapshot);
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

  /** Whether a message is not handled now: before all rows are loaded, or while frozen. */
  #waits(message: EmbeddingShardMessage): boolean {
    const { shard, evictionIntervalMs } = this.#options;
    const parts = { context: this.#context, retryMs: evictionIntervalMs };
    if (this.#loading !== undefined) {
      const refusal = (doing: string) => new ShardLoadingError(shard, doing);
      if (this.#loading.waiting.keeps(message, { ...parts, refusal })) return true;
    }
    if (this.#giving?.isFrozen !== true) return false;
    const refusal = (doing: string) => new ShardMovingError(shard, doing);
    return this.#giving.waiting.keeps(message, { ...parts, refusal });
  }

  receive(message: EmbeddingShardMessage): void | Promise<void> {
    if (this.#waits(message)) return;
    switch (message.kind) {
      case "lookup":
        return this.#lookup(message);
      case "applyGradients":
        return this.#applyGradients(message);
      case "removeRows":
        return this.#removeRows(message);
      case "listIds": {
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
      case "takeDelta":
        return this.#takeDelta(message);
      case "exportRows":
        return this.#exportRows(message);
      case "evictExpired":
        return this.#evictExpired();
      case "beginSnapshot":
        return this.#beginSnapshot(message);
      case "writeSnapshot":
        if (this.#snapshot?.name === message.snapshot) return this.#snapshot.write(message);
        return this.#context.replyError(
          message,
          new Error(
            `Cannot write the snapshot ${message.snapshot}: it was not begun, or another one has ` +
              "replaced it.",
          ),
        );
      case "abandonSnapshot":
        if (this.#snapshot?.name === message.snapshot) this.#snapshot.abandon();
        return;
      case "writeSnapshotChunk":
        if (this.#snapshot?.name === message.snapshot) this.#snapshot.writeChunk();
        return;
      case "getStatistics":
        return this.#context.reply(message, {
          ...this.#tables.statistics(),
          shard: this.#options.shard,
          loadedShare: this.#loading?.share ?? 1,
        });
      case "beginCopy":
        return this.#beginCopy(message);
      case "copyRows":
      case "getCopyChanges":
      case "finishCopy":
        return this.#give(message);
      case "abandonCopy":
        if (this.#giving?.copy === (message.copy ?? this.#giving?.copy)) this.#endGiving();
        return this.#context.reply(message, undefined);
      case "getGiving": {
        const giving = this.#giving;
        const { copy, isFrozen } = giving ?? { copy: "", isFrozen: false };
        return this.#context.reply(message, giving && { copy, isFrozen });
      }
      default:
        message satisfies never;
    }
  }

  stop(): void {
    this.#figures.moveEnded("moved", this.#giving?.frozenAtMs);
    this.#figures.clear();
  }

  #lookup(message: Lookup): void {
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
    this.#context.reply(message, { sequence: this.#sources.markOf(source), ...opening });
  }

  #applyGradients(message: ApplyGradients): void {
    const refusal = this.#sources.refusalOf(message.source, message.opening);
    if (refusal !== undefined) return this.#context.replyError(message, refusal);
    const mark = this.#sources.markOf(message.source);
    if (message.sequence <= mark) return this.#context.reply(message, { applied: false });
    this.#tables.applyGradients(
      message,
      message.gradients,
      message.counts,
      Math.floor(message.atMs / 1_000),
    );
    this.#snapshot?.keepAhead();
    this.#buffers.give(message.gradients);
    this.#sources.moveMark(message.source, message.sequence);
    this.#deltas.trace(this.#context.traceOf(message));
    this.#gradientRows.add(message.ids.length, this.#labels);
    this.#context.reply(message, { applied: true });
  }

  #removeRows(message: RemoveRows): void {
    const { source, sequence, opening } = message;
    const refusal = this.#sources.refusalOf(source, opening);
    if (refusal !== undefined) return this.#context.replyError(message, refusal);
    if (sequence <= this.#sources.markOf(source)) {
      return this.#context.reply(message, { applied: false, rows: {} });
    }
    const rows = removeRows(this.#tables, message);
    this.#chain.erased();
    this.#snapshot?.keepAhead();
    if (message.isLast) this.#sources.moveMark(source, sequence);
    this.#context.reply(message, { applied: true, rows });
  }

  #beginSnapshot(message: BeginSnapshot): void {
    const refusal = this.#sources.cut(message.marks);
    if (refusal !== undefined) return this.#context.replyError(message, refusal);
    const before = this.#chain.next(message, this.#snapshot);
    this.#snapshot?.abandon();
    const parts = {
      context: this.#context,
      tables: this.#tables,
      blobs: this.#blobs,
      options: this.#options,
    };
    this.#snapshot = new ShardSnapshot(message.snapshot, parts, before);
    this.#context.reply(message, undefined);
  }

  #goBack(message: GoBack): void {
    if (message.opening.incarnation !== this.#incarnation) {
      return this.#context.reply(message, undefined);
    }
    throw new Error("a trainer gave up the updates since the newest snapshot");
  }

  #takeDelta(message: TakeDelta): void {
    const { position } = this.#deltas;
    const owner = {
      incarnation: this.#incarnation,
      ...(this.#loading !== undefined && { isLoading: true }),
    };
    if (this.#loading !== undefined && message.acknowledged?.lineage !== position.lineage) {
      // No lineage begins here: the loaded rows are in the deltas of the current one.
      return this.#context.reply(message, { position, repeated: false, ...owner });
    }
    const taken = this.#deltas.take(message.acknowledged, message.rowsMax);
    const buffers = taken.delta === undefined ? [] : buffersOf(taken.delta);
    this.#context.reply(message, { ...taken, ...owner }, buffers);
  }

  #exportRows(message: ExportRows): void {
    const moves = this.#moves;
    if (message.cursor !== undefined && message.cursor.moves !== moves) {
      const { shard } = this.#options;
      return this.#context.replyError(
        message,
        new Error(`embedding_shard/${shard} has moved: export its rows from the first page on.`),
      );
    }
    const page = this.#tables.exportRows(message.cursor, message.rowsMax);
    const cursor = { ...page.cursor, moves };
    this.#context.reply(message, { ...page, cursor, position: this.#deltas.position }, [
      page.ids.buffer,
      page.rows.buffer,
    ]);
  }

  // ---- moving to another node

  #beginCopy(message: BeginCopy): void {
    if (this.#giving !== undefined) this.#endGiving();
    const source = this.#tables.copySource();
    const headers = source.begin();
    this.#giving = new Giving(message.copy, source, this.#givingParts());
    this.#context.reply(message, { incarnation: this.#incarnation, headers });
  }

  #give(message: CopyRequest): void {
    const giving = this.#giving;
    if (giving?.copy === message.copy) giving.answer(message);
    else refuseCopy(this.#context, this.#options.shard, message);
  }

  #givingParts(): GivingParts {
    const { shard, tenure } = this.#options;
    return {
      context: this.#context,
      shard,
      onFrozen: () => {
        const { copy } = present(this.#giving, "a frozen shard moves");
        this.#moved.give(shard, copy, tenure);
        this.#snapshot?.abandon();
      },
      handOver: () => ({
        incarnation: this.#incarnation,
        moves: this.#moves + 1,
        ...this.#sources.state,
        deltas: this.#deltas.handOver(HANDED_ROWS_MAX),
      }),
    };
  }

  /** The shard stays here: what has waited is handled now. */
  #endGiving(): void {
    const giving = this.#giving;
    this.#figures.moveEnded("givenUp", giving?.frozenAtMs);
    this.#giving = undefined;
    giving?.close();
    this.#moved.settle(this.#options.shard);
    for (const message of giving?.waiting.take() ?? []) this.receive(message);
  }

  #evictExpired(): void {
    this.#tables.evictExpired(this.#options.evictionBucketsMax);
    this.#showFigures();
    this.#context.schedule(this.#options.evictionIntervalMs, { kind: "evictExpired" });
  }

  #showFigures(): void {
    this.#figures.show(this.#tables.statistics());
    const nowMs = this.#context.clock.monotonicMs();
    if (nowMs - this.#bucketsShownMs < BUCKETS_INTERVAL_MS) return;
    this.#bucketsShownMs = nowMs;
    this.#figures.showBuckets(this.#tables.entriesPerBucket());
  }
}
