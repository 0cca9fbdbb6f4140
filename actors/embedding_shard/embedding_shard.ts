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
  type DeltaPosition,
  type EmbeddingShardMessage,
  type ExportRows,
  type GoBack,
  type Lookup,
  type OpenSource,
  ShardRestartedError,
  type SourceOpening,
  SourceReopenedError,
  type TakeDelta,
} from "./protocol.ts";
import { invariant } from "../../structures/invariant.ts";
import { ShardFigures } from "./shard_figures.ts";
import { type RestoredShard, restoreNewest } from "./shard_restore.ts";
import { ShardSnapshot } from "./shard_snapshot.ts";

/** Interval at which the entries per bucket are counted, ms. Counting visits all buckets. */
const BUCKETS_INTERVAL_MS = 60_000;

/** As many as a trainer has batches in flight. */
const SPARE_BUFFERS = 4;

export interface EmbeddingShardDependencies {
  readonly blobs: BlobStore;
}

export class EmbeddingShard implements Behavior<EmbeddingShardMessage> {
  readonly #context: ActorContext<EmbeddingShardMessage>;
  readonly #options: EmbeddingShardOptions;
  readonly #tables: ClassTables;
  readonly #blobs: BlobStore;
  /** Memory of applied gradients, for the answers to lookups. */
  readonly #buffers = new BufferPool(SPARE_BUFFERS);
  readonly #incarnation: string;
  #snapshot: ShardSnapshot | undefined;
  /** The newest sequence applied, by source. */
  readonly #marks = new Map<string, number>();
  /** Number of the current opening, by source. */
  readonly #epochs = new Map<string, number>();
  /** Sequence of the newest acknowledged delta of the current lineage. */
  #acknowledged = 0;
  readonly #labels: { readonly shard: string };
  readonly #gradientRows: Counter;
  readonly #figures: ShardFigures;
  #bucketsShownMs = -Infinity;

  private constructor(
    context: ActorContext<EmbeddingShardMessage>,
    options: EmbeddingShardOptions,
    { blobs }: EmbeddingShardDependencies,
    { tables, marks }: RestoredShard,
  ) {
    this.#context = context;
    this.#options = options;
    this.#tables = tables;
    this.#blobs = blobs;
    this.#incarnation = context.random.uuid();
    for (const { source, sequence } of marks) this.#marks.set(source, sequence);
    this.#labels = { shard: String(options.shard) };
    this.#gradientRows = context.telemetry.counter("cairn_shard_gradient_rows_total", {
      help: "Rows for which gradients arrived; a row counts once a batch.",
      labelNames: ["shard"],
    });
    this.#figures = new ShardFigures(context.telemetry, options.shard, tables.statistics());
    this.#context.schedule(options.evictionIntervalMs, { kind: "evictExpired" });
  }

  static async start(
    context: ActorContext<EmbeddingShardMessage>,
    options: EmbeddingShardOptions,
    dependencies: EmbeddingShardDependencies,
  ): Promise<EmbeddingShard> {
    const tables = ClassTables.create(options.tables);
    const restored = await restoreNewest(tables, options, dependencies.blobs, context.telemetry);
    return new EmbeddingShard(context, options, dependencies, restored);
  }

  receive(message: EmbeddingShardMessage): void {
    switch (message.kind) {
      case "lookup":
        return this.#lookup(message);
      case "applyGradients":
        return this.#applyGradients(message);
      case "openSource":
        return this.#openSource(message);
      case "goBack":
        return this.#goBack(message);
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
        });
      default:
        message satisfies never;
    }
  }

  #lookup(message: Lookup): void {
    const rows = this.#tables.lookup(message, message.missing, this.#buffers);
    this.#context.reply(message, { rows }, [rows.buffer]);
  }

  #openSource(message: OpenSource): void {
    const { source } = message;
    const epoch = (this.#epochs.get(source) ?? 0) + 1;
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
    this.#gradientRows.add(message.ids.length, this.#labels);
    this.#context.reply(message, { applied: true });
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
    this.#snapshot?.abandon();
    this.#snapshot = new ShardSnapshot(message.snapshot, {
      context: this.#context,
      tables: this.#tables,
      blobs: this.#blobs,
      options: this.#options,
    });
    this.#context.reply(message, undefined);
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
    const { acknowledged, rowsMax } = message;
    const before = this.#deltaPosition();
    // A taker that has restarted does not know its last acknowledgement.
    if (acknowledged?.lineage === before.lineage) {
      this.#acknowledged = Math.max(this.#acknowledged, acknowledged.sequence);
    }
    const delta = this.#tables.takeDelta(this.#acknowledged, rowsMax);
    const position = this.#deltaPosition();
    if (position.lineage !== before.lineage) this.#acknowledged = 0;
    invariant(
      delta === undefined || position.sequence === this.#acknowledged + 1,
      "a delta follows the acknowledged one",
    );
    const repeated = delta !== undefined && position.lineage === before.lineage &&
      position.sequence === before.sequence;
    const answer = { position, repeated, incarnation: this.#incarnation };
    if (delta === undefined) return this.#context.reply(message, answer);
    const buffers = delta.classes.flatMap((changes) =>
      changes === undefined
        ? []
        : [changes.ids.buffer, changes.rows.buffer, changes.tombstones.buffer]
    );
    const { shard } = this.#options;
    const { classes } = delta;
    this.#context.reply(message, { ...answer, delta: { shard, ...position, classes } }, buffers);
  }

  #deltaPosition(): DeltaPosition {
    const { lineage, sequence } = this.#tables.deltaPosition;
    return { lineage: `${this.#incarnation}/${lineage}`, sequence };
  }

  #exportRows(message: ExportRows): void {
    const page = this.#tables.exportRows(message.cursor, message.rowsMax);
    this.#context.reply(message, { ...page, position: this.#deltaPosition() }, [
      page.ids.buffer,
      page.rows.buffer,
    ]);
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
