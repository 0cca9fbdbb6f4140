/**
 * The parts of a snapshot: the state of each trainer, a header and chunks of rows from each
 * shard. Headers and checkpoints are MessagePack ({@link encodePart}); a chunk has the layout of
 * kernels/embedding/ABI.md.
 */
import { decode, encode } from "@msgpack/msgpack";
import type { BatchKernel } from "../kernels/embedding/batch_kernel.ts";
import type { ClassChunk } from "../kernels/embedding/class_snapshots.ts";
import type { ChunkKind, SnapshotHeader } from "../kernels/embedding/table_snapshot.ts";
import type { BlobStore } from "../mesh/ports/blob_store.ts";
import { present } from "../structures/invariant.ts";

/** A blob of a snapshot, as the manifest describes it. */
export interface SnapshotPart {
  /** Name in the blob store. */
  readonly name: string;
  readonly bytes: number;
  /** CRC-32C of the blob. */
  readonly checksum: number;
}

/** A chunk of one shard: rows, admission counters of ids without a row, or removed ids. */
export interface ShardChunkPart extends SnapshotPart {
  readonly holds: ChunkKind;
  /** Number of rows; 0 in a chunk without rows. */
  readonly rows: number;
  /** Index of the row class in {@link ShardHeader.classes}. */
  readonly class: number;
}

/** Slot names and row layouts of a shard, needed to read its chunks. */
export interface ShardHeader {
  /** Name of each slot that had rows, by slot number. */
  readonly slotNames: Readonly<Record<number, string>>;
  readonly classes: readonly SnapshotHeader[];
}

/** A member of a shard's chain: all rows, or the changes since the member before. */
export interface ShardMember {
  /** Sequence of each trainer at the member's cut, by source. */
  readonly cut: Readonly<Record<string, number>>;
  /** An encoded {@link ShardHeader}. */
  readonly header: SnapshotPart;
  readonly chunks: readonly ShardChunkPart[];
}

/**
 * One shard's part of the cut: a chain whose first member is full and whose others are increments.
 * The newest member is that of the cut; its blobs have the snapshot's prefix, and earlier ones
 * those of the snapshots that wrote them.
 */
export interface ShardPart extends ShardMember {
  readonly shard: number;
  /** The members before the newest, the full one first; empty where that is full itself. */
  readonly earlier: readonly ShardMember[];
}

/** The members of a shard's chain, in the order in which they are restored. */
export function chainOf({ earlier, cut, header, chunks }: ShardPart): readonly ShardMember[] {
  return [...earlier, { cut, header, chunks }];
}

/** Bytes of a member. */
export function memberBytes({ header, chunks }: Omit<ShardMember, "cut">): number {
  return chunks.reduce((sum, { bytes }) => sum + bytes, header.bytes);
}

/** One trainer's part of the cut, and where its partition of the example log continues. */
export interface TrainerPart {
  /** Name under which the trainer sends gradients to shards. */
  readonly source: string;
  /** Rows of the partition that shards and dense model have learned. */
  readonly sequence: number;
  readonly partition: number;
  /** Offset in the example log from which the rows after the cut can be read. */
  readonly offset: number;
  /**
   * CRC-32C of the newest chunk that has rows before the cut: the log must still have it. Absent
   * where the log did not have it at the cut.
   */
  readonly lastChunk?: number;
  readonly learnedThroughMs: number;
  /** The encoded `TrainerState` (trainer_state.ts). */
  readonly checkpoint: SnapshotPart;
}

/** Sequence of each trainer at a cut, by source. */
export function cutOf(trainers: readonly TrainerPart[]): ShardMember["cut"] {
  return Object.fromEntries(trainers.map(({ source, sequence }) => [source, sequence]));
}

/** A snapshot is damaged, incomplete or of another format. */
export class SnapshotError extends Error {
  override readonly name = "SnapshotError";
  constructor(blob: string, reason: string) {
    super(
      `Cannot use the snapshot blob ${blob}: ${reason}. Go back to a whole snapshot by cairn snapshot restore (cairn snapshot verify tells which are whole), or restore the blob from a copy.`,
    );
  }
}

/** Writes a part and returns its entry for the manifest. */
export async function writePart(
  blobs: BlobStore,
  kernel: BatchKernel,
  name: string,
  bytes: Uint8Array,
): Promise<SnapshotPart> {
  await blobs.put(name, bytes);
  return { name, bytes: bytes.byteLength, checksum: kernel.crc32c(bytes) };
}

/** Name of the chunk of this number below the prefix of a shard's blobs. */
export function chunkName(shard: string, number: number): string {
  return `${shard}/chunk-${String(number).padStart(5, "0")}`;
}

/**
 * Writes a shard's next chunk, which brings its checksum along.
 *
 * @param shard Prefix of the shard's blobs.
 * @param number From 0; chunks are read in this order.
 */
export async function writeChunk(
  blobs: BlobStore,
  shard: string,
  number: number,
  { bytes, checksum, holds, rows, class: rowClass }: ClassChunk,
): Promise<ShardChunkPart> {
  const name = chunkName(shard, number);
  await blobs.put(name, bytes);
  return { name, bytes: bytes.byteLength, checksum, holds, rows, class: rowClass };
}

/**
 * Reads a part and checks its length and checksum against the manifest.
 *
 * @throws {SnapshotError} When the part is missing or differs.
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

/** Parts that are read before they are needed. */
const AHEAD_MAX = 4;

/**
 * Reads parts as {@link readPart} does, in their order, a few of them ahead, so that the store
 * reads while the caller works.
 */
export async function* readAhead<P extends SnapshotPart>(
  blobs: BlobStore,
  kernel: BatchKernel,
  parts: readonly P[],
): AsyncGenerator<{ readonly part: P; readonly bytes: Uint8Array<ArrayBuffer> }> {
  const reading: Promise<Uint8Array<ArrayBuffer>>[] = [];
  for (const [at, part] of parts.entries()) {
    while (reading.length < AHEAD_MAX && at + reading.length < parts.length) {
      const read = readPart(blobs, kernel, parts[at + reading.length]);
      read.catch(() => {}); // thrown where it is awaited
      reading.push(read);
    }
    yield { part, bytes: await present(reading.shift(), "the part is being read") };
  }
}

/**
 * Plain data that may contain `Float32Array`s, as bytes. Fields that are undefined are left out;
 * MessagePack would give them back as null.
 */
export function encodePart(value: unknown): Uint8Array {
  return encode(tagFloats(value), { ignoreUndefined: true });
}

/** The value that {@link encodePart} encoded. */
export function decodePart<T>(bytes: Uint8Array): T {
  return untagFloats(decode(bytes, WITHOUT_KEY_CACHE)) as T;
}

/**
 * Names of weights stay out of the cache of keys that speeds up the reading of records. All
 * decoders of the thread share it; where it has 16 keys of a length, it replaces one at random.
 */
const WITHOUT_KEY_CACHE = { keyDecoder: null };

const floatsTag = "float32";

/** Wraps each Float32Array as `{ float32: bytes }`: MessagePack has bytes but no float arrays. */
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
