/**
 * Restores a shard's rows from the newest snapshot.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { ClassTables } from "../../kernels/embedding/class_tables.ts";
import { readManifests, sequenceOf } from "../../records/snapshot_manifest.ts";
import {
  decodePart,
  readPart,
  type ShardHeader,
  SnapshotError,
} from "../../records/snapshot_parts.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import { SchemaChanges } from "./schema_changes.ts";

export interface RestoredShard {
  readonly tables: ClassTables;
  /**
   * By trainer, the sequence up to which its examples are in the rows; empty without a snapshot.
   */
  readonly marks: readonly { readonly source: string; readonly sequence: number }[];
}

/**
 * Restores the rows that this shard owns. Without a snapshot the tables stay empty.
 *
 * @throws {SnapshotError} When a part is missing or damaged, or the rows do not fit.
 */
export async function restoreNewest(
  tables: ClassTables,
  { shard, shards, slotNames }: EmbeddingShardOptions,
  blobs: BlobStore,
  telemetry: Telemetry,
): Promise<RestoredShard> {
  const [manifest] = await readManifests(blobs);
  if (manifest === undefined) return { tables, marks: [] };
  const sameShards = manifest.shards.length === shards;
  const kernel = BatchKernel.create();
  let rows = 0;
  let allCounters = true;
  const changes = new SchemaChanges(slotNames);
  for (const part of manifest.shards) {
    // With another number of shards, each part may hold rows of this shard.
    if (sameShards && part.shard !== shard) continue;
    const header = decodePart<ShardHeader>(await readPart(blobs, kernel, part.header));
    const restore = tables.restore(header.classes, { shard, shards, counters: sameShards });
    for (const chunk of part.chunks) {
      const bytes = await readPart(blobs, kernel, chunk);
      const { holds, rows, checksum } = chunk;
      restore.take(chunk.class, { holds, rows, bytes, checksum });
    }
    const report = restore.report();
    const { rowsRestored, rowsWithoutRoom, countersKept } = report;
    changes.add(report, header.slotNames);
    allCounters &&= countersKept;
    rows += rowsRestored;
    if (rowsWithoutRoom > 0) {
      throw new SnapshotError(
        part.header.name,
        `${rowsWithoutRoom} rows do not fit into the table: raise embeddings.bytesMax`,
      );
    }
  }
  if (changes.any) {
    const message = `embedding_shard/${shard} was restored into another schema`;
    telemetry.log("warn", message, changes.fields());
  }
  if (!allCounters) {
    telemetry.log(
      "warn",
      `embedding_shard/${shard} restarts the occurrence counts of ids without a row: its snapshot ` +
        "has another shards.count or embeddings.bytesMax",
    );
  }
  const { name, trainers } = manifest;
  const kept = tables.statistics().rows;
  if (kept < rows) {
    telemetry.log(
      "warn",
      `embedding_shard/${shard} has room for ${kept} of its ${rows} rows and evicted the others; ` +
        "raise embeddings.bytesMax",
    );
  }
  telemetry.log("info", `embedding_shard/${shard} begins from ${name}`, {
    rows: kept,
    sequence: sequenceOf(manifest),
  });
  return { tables, marks: trainers };
}
