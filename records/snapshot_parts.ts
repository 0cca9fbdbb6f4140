/**
 * The parts of a snapshot: a header and chunks of rows from each shard, a checkpoint from each trainer.
 */
import { decode, encode } from "@msgpack/msgpack";
import type { BatchKernel } from "../kernels/embedding/batch_kernel.ts";
import type { ClassChunk } from "../kernels/embedding/class_tables.ts";
import type { SnapshotHeader } from "../kernels/embedding/table_snapshot.ts";
import type { BlobStore } from "../mesh/ports/blob_store.ts";

/** A blob of a snapshot, with what it must contain. */
export interface SnapshotPart {
  readonly name: string;
  readonly bytes: number;
  /** CRC-32C. */
  readonly checksum: number;
}

/** Rows of one shard, or the counters of ids that have none. */
export interface ShardChunkPart extends SnapshotPart {
  readonly holds: "rows" | "counters";
  /** 0 where it holds counters. */
  readonly rows: number;
  /** The class that it is of. */
  readonly class: number;
}

/** What is needed to read a shard's chunks. */
export interface ShardHeader {
  /** By number, of all slots that had rows. */
  readonly slotNames: Readonly<Record<number, string>>;
  readonly classes: readonly SnapshotHeader[];
}

/** One shard's part of the cut. */
export interface ShardPart {
  readonly shard: number;
  /** A {@link ShardHeader}, {@link encodePart}. */
  readonly header: SnapshotPart;
  readonly chunks: readonly ShardChunkPart[];
}

/** One trainer's part of the cut, and where its partition of the example log goes on after it. */
export interface TrainerPart {
  readonly source: string;
  /** Rows of the partition that are learned, in shards and dense model alike. */
  readonly sequence: number;
  readonly partition: number;
  /** Log offset from which the rows after the cut can be read. */
  readonly offset: number;
  readonly learnedThroughMs: number;
  /** The training session's checkpoint, {@link encodePart}. */
  readonly checkpoint: SnapshotPart;
}

/** A snapshot cannot be used. */
export class SnapshotError extends Error {
  override readonly name = "SnapshotError";
  constructor(blob: string, reason: string) {
    super(
      `Cannot use the snapshot blob ${blob}: ${reason}. Delete its snapshot to begin from the one before, or restore it from a copy.`,
    );
  }
}

/** Writes a part; its checksum goes into the manifest. */
export async function writePart(
  blobs: BlobStore,
  kernel: BatchKernel,
  name: string,
  bytes: Uint8Array,
): Promise<SnapshotPart> {
  await blobs.put(name, bytes);
  return { name, bytes: bytes.byteLength, checksum: kernel.crc32c(bytes) };
}

/**
 * Writes a shard's next chunk, whose checksum came with it.
 *
 * @param shard Prefix of the shard's blobs.
 * @param number From 0: a shard's chunks are read in the order in which they were written.
 */
export async function writeChunk(
  blobs: BlobStore,
  shard: string,
  number: number,
  { bytes, checksum, holds, rows, class: rowClass }: ClassChunk,
): Promise<ShardChunkPart> {
  const name = `${shard}/chunk-${String(number).padStart(5, "0")}`;
  await blobs.put(name, bytes);
  return { name, bytes: bytes.byteLength, checksum, holds, rows, class: rowClass };
}

/**
 * Reads one part and checks it against the manifest.
 *
 * @throws {SnapshotError} When the part is missing or is not what was written.
 */
export async function readPart(
  blobs: BlobStore,
  kernel: BatchKernel,
  part: SnapshotPart,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await blobs.get(part.name);
  if (bytes === undefined) throw new SnapshotError(part.name, "it is missing");
  if (bytes.byteLength !== part.bytes) {
    throw new SnapshotError(part.name, `it has ${bytes.byteLength} bytes instead of ${part.bytes}`);
  }
  if (kernel.crc32c(bytes) !== part.checksum) {
    throw new SnapshotError(part.name, "checksum mismatch");
  }
  return bytes.slice();
}

/** Plain data with typed arrays of floats in it, as bytes. */
export function encodePart(value: unknown): Uint8Array {
  return encode(tagFloats(value));
}

/** The value that was encoded as a part. */
export function decodePart<T>(bytes: Uint8Array): T {
  return untagFloats(decode(bytes)) as T;
}

const floatsTag = "float32";

/** MessagePack knows bytes but not floats' arrays. */
function tagFloats(value: unknown): unknown {
  if (value instanceof Float32Array) {
    return { [floatsTag]: new Uint8Array(value.buffer, value.byteOffset, value.byteLength) };
  }
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(tagFloats);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, tagFloats(item)]));
}

function untagFloats(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.slice();
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(untagFloats);
  const tagged = (value as Record<string, unknown>)[floatsTag];
  if (tagged instanceof Uint8Array) return new Float32Array(tagged.slice().buffer);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, untagFloats(item)]));
}
