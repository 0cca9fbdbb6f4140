/**
 * An embedding shard's behaviour. It owns its tables, and adds to them the marks of the trainers
 * (so that each batch is applied once), the search for expired rows, and snapshots.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { Counter } from "../../mesh/ports/telemetry.ts";
import { ClassTables } from "../../kernels/embedding/class_tables.ts";
import { BufferPool } from "../../structures/buffer_pool.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import {
  type ApplyGradients,
  type BeginSnapshot,
  CutPassedError,
  type EmbeddingShardMessage,
  type ExportRows,
  firstOpeningOf,
  type GoBack,
  type Lookup,
  type OpenSource,
  type RemoveRows,
  ShardRestartedError,
  type SourceOpening,
  SourceReopenedError,
  SourceTakenError,
  type TakeDelta,
  tenureOf,
} from "./protocol.ts";
import {
  type BeginCopy,
  CopyLostError,
  type CopyRequest,
  ShardMovingError,
} from "./copy_protocol.ts";
import { buffersOf, DeltaStream } from "./delta_stream.ts";
import { Giving } from "./giving.ts";
import type { MovedShard, MovedShards } from "./moved_shards.ts";
import { listIds, removeRows } from "./removed_rows.ts";
import { ShardFigures } from "./shard_figures.ts";
import { Loading, LoadProgress, ShardLoadingError } from "./loading.ts";
import { type RestoredShard, restoreNewest } from "./shard_restore.ts";
import { ShardSnapshot, type SnapshotsBefore } from "./shard_snapshot.ts";
import type { WaitingMessages } from "./waiting_messages.ts";

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
  /** The newest snapshot that is known to be stored, since which the tables know all changes. */
  #stored: string | undefined;
  /**
   * Erasures so far, and those before the full member of the stored chain: an erased row must not
   * stay in an earlier member, so a full snapshot follows.
   */
  #erasures = 0;
  #erasuresInChain = 0;
  /** The newest sequence applied, by source. */
  readonly #marks = new Map<string, number>();
  /** Number of the current opening, by source. */
  readonly #epochs = new Map<string, number>();
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
    const { tables, incarnation, moves, marks, epochs, deltas } = start;
    const { shard } = options;
    this.#tables = tables;
    this.#incarnation = incarnation;
    this.#moves = moves;
    for (const [source, sequence] of marks) this.#marks.set(source, sequence);
    for (const [source, epoch] of epochs) this.#epochs.set(source, epoch);
    this.#deltas = new DeltaStream(tables, shard, `${incarnation}/${moves}`, deltas);
    // It handed itself over and crashed: the copy may be the owner by now.
    const copy = moved.givenTo(shard, options.tenure);
    if (copy !== undefined) this.#giving = new Giving(copy, undefined);
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
    for (const { source, sequence } of marks) this.#marks.set(source, sequence);
    this.#stored = snapshot;
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
    const { shard } = this.#options;
    if (this.#loading !== undefined) {
      const refusal = (doing: string) => new ShardLoadingError(shard, doing);
      if (this.#isKept(message, this.#loading.waiting, refusal)) return true;
    }
    if (this.#giving?.isFrozen !== true) return false;
    const refusal = (doing: string) => new ShardMovingError(shard, doing);
    return this.#isKept(message, this.#giving.waiting, refusal);
  }

  #isKept(
    message: EmbeddingShardMessage,
    waiting: WaitingMessages,
    refusal: (doing: string) => Error,
  ): boolean {
    switch (waiting.handlingOf(message)) {
      case "waits":
        if (waiting.defer(message)) return true;
        this.#context.replyError(message, refusal("keep more messages"));
        return true;
      case "refused":
        this.#context.replyError(message, refusal(message.kind));
        return true;
      case "again":
        this.#context.schedule(this.#options.evictionIntervalMs, message);
        return true;
      case "handled":
        return false;
    }
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
    const before = this.#epochs.get(source) ?? 0;
    if (tenureOf(before) > tenure) {
      const { shard } = this.#options;
      const error = new SourceTakenError(shard, source, tenure, tenureOf(before));
      return this.#context.replyError(message, error);
    }
    const epoch = Math.max(before + 1, firstOpeningOf(tenure));
    this.#epochs.set(source, epoch);
    const sequence = this.#marks.get(source) ?? 0;
    this.#context.reply(message, { sequence, incarnation: this.#incarnation, epoch });
  }

  #applyGradients(message: ApplyGradients): void {
    const refusal = this.#refusalOf(message.source, message.opening);
    if (refusal !== undefined) return this.#context.replyError(message, refusal);
    const mark = this.#marks.get(message.source) ?? 0;
    if (message.sequence <= mark) return this.#context.reply(message, { applied: false });
    this.#tables.applyGradients(
      message,
      message.gradients,
      message.counts,
      Math.floor(message.atMs / 1_000),
    );
    this.#snapshot?.keepAhead();
    this.#buffers.give(message.gradients);
    this.#marks.set(message.source, message.sequence);
    this.#deltas.trace(this.#context.traceOf(message));
    this.#gradientRows.add(message.ids.length, this.#labels);
    this.#context.reply(message, { applied: true });
  }

  #removeRows(message: RemoveRows): void {
    const { source, sequence, opening } = message;
    const refusal = this.#refusalOf(source, opening);
    if (refusal !== undefined) return this.#context.replyError(message, refusal);
    if (sequence <= (this.#marks.get(source) ?? 0)) {
      return this.#context.reply(message, { applied: false, rows: {} });
    }
    const rows = removeRows(this.#tables, message);
    this.#erasures++;
    this.#snapshot?.keepAhead();
    if (message.isLast) this.#marks.set(source, sequence);
    this.#context.reply(message, { applied: true, rows });
  }

  #beginSnapshot(message: BeginSnapshot): void {
    for (const { source, sequence, opening } of message.marks) {
      const applied = this.#marks.get(source) ?? 0;
      const refusal = this.#refusalOf(source, opening) ??
        (applied > sequence
          ? new CutPassedError(this.#options.shard, source, applied, sequence)
          : undefined);
      if (refusal !== undefined) return this.#context.replyError(message, refusal);
    }
    for (const { source, sequence } of message.marks) this.#marks.set(source, sequence);
    const before = this.#snapshotsBefore(message);
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

  /**
   * An increment holds the changes since {@link #stored}. That is the snapshot that was written
   * last, if the snapshotter names it as stored, or else the one before, whose changes the tables
   * know until they are told of a newer one.
   */
  #snapshotsBefore({ base }: BeginSnapshot): SnapshotsBefore {
    const last = this.#snapshot;
    const lastIsStored = last?.isWritten === true && last.name === base?.snapshot;
    if (lastIsStored) {
      this.#stored = last.name;
      if (last.kind === "full") this.#erasuresInChain = last.erasures;
    }
    const isKnown = base !== undefined && base.snapshot === this.#stored;
    const mayFollow = isKnown && this.#erasures === this.#erasuresInChain;
    const incrementBytesMax = mayFollow ? base.bytesMax[this.#options.shard] : 0;
    return { lastIsStored, incrementBytesMax, erasures: this.#erasures };
  }

  #goBack(message: GoBack): void {
    if (message.opening.incarnation !== this.#incarnation) {
      return this.#context.reply(message, undefined);
    }
    throw new Error("a trainer gave up the updates since the newest snapshot");
  }

  /** Why messages under this opening are refused; undefined where it is the current one. */
  #refusalOf(source: string, { incarnation, epoch }: SourceOpening): Error | undefined {
    const { shard } = this.#options;
    if (incarnation !== this.#incarnation) return new ShardRestartedError(shard);
    if (epoch !== this.#epochs.get(source)) return new SourceReopenedError(shard, source);
    return undefined;
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
    this.#giving = new Giving(message.copy, source);
    this.#context.reply(message, { incarnation: this.#incarnation, headers });
  }

  #give(
    message: CopyRequest,
  ): void {
    const giving = this.#giving;
    const source = giving?.copy === message.copy ? giving.source : undefined;
    if (giving === undefined || source === undefined) {
      return this.#copyLost(message, "the shard was restarted, or another copy was begun");
    }
    if (message.kind === "copyRows") {
      const page = source.page(message.cursor, message.rowsMax);
      return this.#context.reply(message, page, [page.bytes.buffer]);
    }
    if (message.kind === "finishCopy") this.#freeze(giving);
    const changes = source.changes(message.applied, message.rowsMax);
    if (changes === "overflowed") {
      return this.#copyLost(message, "more rows were removed than can be remembered");
    }
    const buffers = changes.classes.flatMap((delta) =>
      delta === undefined ? [] : [delta.bytes.buffer, delta.tombstones.buffer]
    );
    if (message.kind === "getCopyChanges") {
      return this.#context.reply(message, changes, buffers);
    }
    const areLast = changes.classes.every((delta) =>
      delta === undefined || delta.rows + delta.tombstones.length < message.rowsMax
    );
    if (!areLast) return this.#context.reply(message, { changes }, buffers);
    giving.deltas ??= { handed: this.#deltas.handOver(HANDED_ROWS_MAX) };
    this.#context.reply(message, {
      changes,
      handover: {
        end: source.end(),
        incarnation: this.#incarnation,
        moves: this.#moves + 1,
        marks: [...this.#marks],
        epochs: [...this.#epochs],
        deltas: giving.deltas.handed,
      },
    }, buffers);
  }

  #freeze(giving: Giving): void {
    if (giving.isFrozen) return;
    giving.isFrozen = true;
    giving.frozenAtMs = this.#context.clock.monotonicMs();
    this.#moved.give(this.#options.shard, giving.copy, this.#options.tenure);
    this.#snapshot?.abandon();
  }

  #copyLost(message: CopyRequest, why: string): void {
    const error = new CopyLostError(this.#options.shard, message.copy, why);
    this.#context.replyError(message, error);
  }

  /** The shard stays here: what has waited is handled now. */
  #endGiving(): void {
    const giving = this.#giving;
    this.#figures.moveEnded("givenUp", giving?.frozenAtMs);
    this.#giving = undefined;
    giving?.source?.close();
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
