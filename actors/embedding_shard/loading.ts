/**
 * Loads the rows of the newest snapshot at a shard's start. While a long load goes on, the shard
 * serves the rows that it has: deltas and pages carry loaded rows to the replicas, and messages of
 * trainers wait until all are there.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { ClassTables } from "../../kernels/embedding/class_tables.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import type { EmbeddingShardMessage } from "./protocol.ts";
import { LoadProgress } from "./load_progress.ts";
import { type RestoredShard, restoreNewest } from "./shard_restore.ts";
import { WaitingMessages } from "./waiting_messages.ts";

type Context = ActorContext<EmbeddingShardMessage>;

/** The shard's rows are not all loaded yet. */
export class ShardLoadingError extends Error {
  override readonly name = "ShardLoadingError";
  constructor(shard: number, kind: string) {
    super(`embedding_shard/${shard} cannot ${kind} before its rows are loaded: try again later.`);
  }
}

/** A load under way. */
export class Loading {
  readonly restored: Promise<RestoredShard>;
  readonly #context: Context;
  readonly #options: EmbeddingShardOptions;
  readonly #progress: LoadProgress;
  readonly #waiting = new WaitingMessages("loading");

  constructor(
    context: Context,
    options: EmbeddingShardOptions,
    restored: Promise<RestoredShard>,
    progress: LoadProgress,
  ) {
    this.#context = context;
    this.#options = options;
    this.restored = restored;
    this.#progress = progress;
  }

  /** From 0 to 1. */
  get share(): number {
    return this.#progress.share;
  }

  /** Holds back a message that is not handled before all rows are loaded; false if it is. */
  holdsBack(message: EmbeddingShardMessage): boolean {
    const { shard, evictionIntervalMs } = this.#options;
    const refusal = (doing: string) => new ShardLoadingError(shard, doing);
    const parts = { context: this.#context, refusal, retryMs: evictionIntervalMs };
    return this.#waiting.holdsBack(message, parts);
  }

  /** Takes the messages that have waited, in their order. */
  takeWaiting(): EmbeddingShardMessage[] {
    return this.#waiting.take();
  }
}

/**
 * Makes a shard's tables and loads the rows of the newest snapshot. After `loadWaitMs` the shard
 * begins to serve, and the load goes on.
 */
export async function loadRows(
  context: Context,
  options: EmbeddingShardOptions,
  blobs: BlobStore,
): Promise<{ readonly tables: ClassTables; readonly loaded: RestoredShard | Loading }> {
  const tables = ClassTables.create(options.tables);
  // Deltas carry the rows that are loaded from now on, if replicas are to have them before the
  // end of the load.
  tables.deltas.take(0, 1);
  const progress = new LoadProgress(() => context.isCurrent);
  const restoring = restoreNewest(tables, options, blobs, context.telemetry, progress);
  if (!await context.settlesWithin(restoring, options.loadWaitMs)) {
    return { tables, loaded: new Loading(context, options, restoring, progress) };
  }
  tables.deltas.end();
  return { tables, loaded: await restoring };
}
