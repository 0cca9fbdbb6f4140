/**
 * Loads the rows of the newest snapshot at a shard's start. While a large snapshot is loaded, the
 * shard serves the rows that it has: deltas and pages carry loaded rows to the replicas, and
 * messages of trainers wait until all are there.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { ClassTables } from "../../kernels/embedding/class_tables.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import type { EmbeddingShardMessage } from "./protocol.ts";
import { LoadProgress } from "./load_progress.ts";
import { findNewest, type RestoredShard, restoreFrom } from "./shard_restore.ts";
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
  readonly #progress: LoadProgress;
  /** Messages that are not handled before all rows are loaded. */
  readonly waiting: WaitingMessages;

  constructor(
    context: Context,
    { shard, evictionIntervalMs }: EmbeddingShardOptions,
    restored: Promise<RestoredShard>,
    progress: LoadProgress,
  ) {
    this.restored = restored;
    this.#progress = progress;
    this.waiting = new WaitingMessages("loading", {
      context,
      refusal: (doing) => new ShardLoadingError(shard, doing),
      retryMs: evictionIntervalMs,
    });
  }

  /** From 0 to 1. */
  get share(): number {
    return this.#progress.share;
  }
}

/**
 * Makes a shard's tables and loads the rows of the newest snapshot. With a snapshot of more than
 * `awaitedBytesMax` the shard begins to serve at once, and the load goes on. The size decides, and
 * no time: however slow the store or the machine is, no ranking uses initial values in place of
 * the rows of a small table.
 *
 * @throws {OtherBlobsError | SnapshotsLostError} The store is not that of the options.
 */
export async function loadRows(
  context: Context,
  options: EmbeddingShardOptions,
  blobs: BlobStore,
): Promise<{ readonly tables: ClassTables; readonly loaded: RestoredShard | Loading }> {
  const newest = await findNewest(blobs, options.ownBlobs);
  const tables = ClassTables.create(options.tables);
  if (newest === undefined) return { tables, loaded: { tables, marks: [] } };
  const progress = new LoadProgress(() => context.isCurrent);
  const parts = { tables, options, blobs, telemetry: context.telemetry, progress };
  if (newest.bytes <= options.awaitedBytesMax) {
    return { tables, loaded: await restoreFrom(newest, parts) };
  }
  // Deltas carry the rows that are loaded from now on.
  tables.deltas.take(0, 1);
  const restoring = restoreFrom(newest, parts);
  return { tables, loaded: new Loading(context, options, restoring, progress) };
}
