/**
 * Restores a shard's rows from the newest snapshot: the members of its chain one after another,
 * each with its removed ids first.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { ClassTables } from "../../kernels/embedding/class_tables.ts";
import type { ClassRestoreReport } from "../../kernels/embedding/class_restore.ts";
import { type OwnBlobs, readOwnManifests } from "../../records/own_blobs.ts";
import { sequenceOf, type SnapshotManifest } from "../../records/snapshot_manifest.ts";
import {
  chainOf,
  decodePart,
  memberBytes,
  readAhead,
  readPart,
  type ShardHeader,
  type ShardMember,
  type ShardPart,
  SnapshotError,
} from "../../records/snapshot_parts.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import { LoadProgress } from "./load_progress.ts";
import { SchemaChanges } from "./schema_changes.ts";

type ShardSelection = Parameters<ClassTables["restore"]>[1];

export interface RestoredShard {
  readonly tables: ClassTables;
  /**
   * By trainer, the sequence up to which its examples are in the rows; empty without a snapshot.
   */
  readonly marks: readonly { readonly source: string; readonly sequence: number }[];
  /** The snapshot, if the tables hold exactly the rows that it has of this shard. */
  readonly snapshot?: string;
}

/** The newest snapshot, before any of its rows is read. */
export interface NewestSnapshot {
  readonly manifest: SnapshotManifest;
  /** Size of the rows of all shards, bytes. */
  readonly bytes: number;
}

/**
 * @param own The store that it must be; undefined = any.
 * @returns Undefined without a snapshot.
 * @throws {OtherBlobsError | SnapshotsLostError} It is another store.
 */
export async function findNewest(
  blobs: BlobStore,
  own?: OwnBlobs,
): Promise<NewestSnapshot | undefined> {
  const [manifest] = await readOwnManifests(blobs, own);
  return manifest && { manifest, bytes: bytesOf(manifest.shards) };
}

/**
 * Restores the rows that this shard owns from the newest snapshot. Without one the tables stay
 * empty.
 *
 * @throws {SnapshotError} When a part is missing or damaged, or the rows do not fit.
 */
export async function restoreNewest(
  tables: ClassTables,
  options: EmbeddingShardOptions,
  blobs: BlobStore,
  telemetry: Telemetry,
): Promise<RestoredShard> {
  const newest = await findNewest(blobs, options.ownBlobs);
  if (newest === undefined) return { tables, marks: [] };
  return await restoreFrom(newest, { tables, options, blobs, telemetry });
}

export interface RestoreParts {
  readonly tables: ClassTables;
  readonly options: EmbeddingShardOptions;
  readonly blobs: BlobStore;
  readonly telemetry: Telemetry;
  /** Told of the bytes to read and of those that were read. */
  readonly progress?: LoadProgress;
}

/**
 * Restores the rows that this shard owns.
 *
 * @throws {SnapshotError} When a part is missing or damaged, or the rows do not fit.
 */
export async function restoreFrom(
  { manifest }: NewestSnapshot,
  { tables, options, blobs, telemetry, progress = new LoadProgress() }: RestoreParts,
): Promise<RestoredShard> {
  const { shard, shards, slotNames } = options;
  const sameShards = manifest.shards.length === shards;
  const selection = { shard, shards, counters: sameShards };
  const restore = new ShardRestore(tables, blobs, selection, progress);
  const changes = new SchemaChanges(slotNames);
  const stored = manifest.shards.length;
  const parts = manifest.shards.filter((part) =>
    sharesIds({ shard: part.shard, shards: stored }, { shard, shards })
  );
  progress.begin(bytesOf(parts));
  for (const part of parts) {
    for (const member of chainOf(part)) {
      const { report, header } = await restore.take(member);
      changes.add(report, header.slotNames);
    }
  }
  if (changes.any) {
    const message = `embedding_shard/${shard} was restored into another schema`;
    telemetry.log("warn", message, changes.fields());
  }
  if (!restore.allCounters) {
    telemetry.log(
      "warn",
      `embedding_shard/${shard} restarts the occurrence counts of ids without a row: its snapshot ` +
        "has another shards.count or embeddings.bytesMax",
    );
  }
  const { rows } = tables.statistics();
  if (restore.evicted > 0) {
    telemetry.log(
      "warn",
      `embedding_shard/${shard} has room for ${rows} of its ${rows + restore.evicted} rows and ` +
        "evicted the others; raise embeddings.bytesMax",
    );
  }
  const { name, trainers } = manifest;
  telemetry.log("info", `embedding_shard/${shard} begins from ${name}`, {
    rows,
    sequence: sequenceOf(manifest),
  });
  const isExact = sameShards && !changes.any && restore.allCounters &&
    rows === restore.rowsAtCut;
  if (!isExact) return { tables, marks: trainers };
  tables.snapshots.settle();
  return { tables, marks: trainers, snapshot: name };
}

function bytesOf(parts: readonly ShardPart[]): number {
  return parts.flatMap(chainOf).reduce((sum, member) => sum + memberBytes(member), 0);
}

/** A shard, and the number of shards among which the ids are divided. */
export interface DividedShard {
  readonly shard: number;
  readonly shards: number;
}

/**
 * Whether two shards of different divisions may have ids in common. A shard has the ids whose hash
 * is in its range, and the ranges of all shards are equally long and ascend with their numbers.
 */
export function sharesIds(one: DividedShard, other: DividedShard): boolean {
  return one.shard * other.shards < (other.shard + 1) * one.shards &&
    other.shard * one.shards < (one.shard + 1) * other.shards;
}

/** Takes the members of chains. */
class ShardRestore {
  readonly #tables: ClassTables;
  readonly #blobs: BlobStore;
  readonly #selection: ShardSelection;
  readonly #kernel = BatchKernel.create();
  readonly #progress: LoadProgress;
  readonly #evictedBefore: number;
  #removed = 0;
  /** Rows of the shard at the cut of the member that was taken last. */
  rowsAtCut = 0;
  /** Whether all occurrences of ids without a row were restored. */
  allCounters = true;

  constructor(
    tables: ClassTables,
    blobs: BlobStore,
    selection: ShardSelection,
    progress: LoadProgress,
  ) {
    this.#progress = progress;
    this.#tables = tables;
    this.#blobs = blobs;
    this.#selection = selection;
    this.#evictedBefore = tables.statistics().evicted;
  }

  /** Rows evicted for lack of room. */
  get evicted(): number {
    return this.#tables.statistics().evicted - this.#evictedBefore - this.#removed;
  }

  async take(
    member: ShardMember,
  ): Promise<{ readonly report: ClassRestoreReport; readonly header: ShardHeader }> {
    const header = decodePart<ShardHeader>(
      await readPart(this.#blobs, this.#kernel, member.header),
    );
    const restore = this.#tables.restore(header.classes, this.#selection);
    for await (const { part, bytes } of readAhead(this.#blobs, this.#kernel, member.chunks)) {
      const { holds, rows, checksum } = part;
      restore.take(part.class, { holds, rows, bytes, checksum });
      this.#progress.loaded(bytes.byteLength);
    }
    const report = restore.report();
    if (report.rowsWithoutRoom > 0) {
      throw new SnapshotError(
        member.header.name,
        `${report.rowsWithoutRoom} rows do not fit into the table: raise embeddings.bytesMax`,
      );
    }
    this.allCounters &&= report.countersComplete;
    this.#removed += report.rowsRemoved;
    this.rowsAtCut = header.classes.reduce((sum, { rowsInTable }) => sum + rowsInTable, 0);
    return { report, header };
  }
}
