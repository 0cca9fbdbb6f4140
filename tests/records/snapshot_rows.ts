/**
 * The rows and counters of a shard as the chain of its snapshot gives them, read without a table.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import {
  chainOf,
  decodePart,
  type ShardHeader,
  type ShardPart,
} from "../../records/snapshot_parts.ts";
import { REMOVED_ID_BYTES, SAVED_LINE_BYTES } from "../../kernels/embedding/table_snapshot.ts";
import { present } from "../../structures/invariant.ts";

export interface SavedShard {
  /** Saved rows by class and feature id. */
  readonly rows: ReadonlyMap<string, Uint8Array>;
  /** Saved lines of admission counters by class, generation and line. */
  readonly counters: ReadonlyMap<string, Uint8Array>;
}

export async function savedShard(blobs: BlobStore, part: ShardPart): Promise<SavedShard> {
  const read = async (name: string) => present(await blobs.get(name), name);
  const rows = new Map<string, Uint8Array>();
  const counters = new Map<string, Uint8Array>();
  for (const { header, chunks } of chainOf(part)) {
    const { classes } = decodePart<ShardHeader>(await read(header.name));
    for (const key of counters.keys()) {
      const [rowClass, generation] = key.split(" ").map(Number);
      if (classes[rowClass].emptiedGenerations >> generation & 1) counters.delete(key);
    }
    for (const { name, holds, rows: count, class: rowClass } of chunks) {
      const bytes = await read(name);
      const sizes = {
        rows: bytes.byteLength / count,
        counters: SAVED_LINE_BYTES,
        removed: REMOVED_ID_BYTES,
      };
      for (let at = 0; at < bytes.byteLength; at += sizes[holds]) {
        const saved = bytes.slice(at, at + sizes[holds]);
        const view = new DataView(saved.buffer);
        const [low, high] = [view.getUint32(0, true), view.getUint32(4, true)];
        const id = `${rowClass} ${holds === "counters" ? `${low} ${high}` : `${high}:${low}`}`;
        if (holds === "removed") rows.delete(id);
        else if (holds === "rows") rows.set(id, saved);
        else counters.set(id, saved);
      }
    }
  }
  return { rows, counters };
}
