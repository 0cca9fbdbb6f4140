/**
 * The snapshotter's door, and what a snapshot is: blobs under one name, made real by a manifest that is written last.
 *
 * A snapshot is a consistent cut. Between two batches the trainers stand still, every shard notes that moment, and then
 * each writes its part while learning goes on. A restart is the newest snapshot and the example log from its cut.
 */
import { decode, encode } from "@msgpack/msgpack";
import type { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { ClassChunk } from "../../kernels/embedding/class_tables.ts";
import type { SnapshotHeader } from "../../kernels/embedding/table_snapshot.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { Request } from "../../mesh/runtime/actor.ts";

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

/** Changes with every change of what the parts hold. */
export const FORMAT = 7;

/** What a snapshot consists of; written last, so that a snapshot with a manifest is whole. */
export interface SnapshotManifest {
  readonly format: typeof FORMAT;
  /** Prefix of its blobs; ascending with time. */
  readonly name: string;
  /** Wall time, ms. */
  readonly atMs: number;
  /** By partition. */
  readonly trainers: readonly TrainerPart[];
  readonly shards: readonly ShardPart[];
}

/** Time to see whether a snapshot is due; told by the snapshotter to itself. */
export interface WakeSnapshotter {
  readonly kind: "wake";
}

/** Takes a snapshot now; answers with the manifest's name, or without one where it would change nothing. */
export interface TakeSnapshot extends Request<{ readonly name?: string }> {
  readonly kind: "takeSnapshot";
}

/** What was taken, and what became of it. */
export interface SnapshotterStatus {
  readonly taken: number;
  readonly failed: number;
  /** The newest snapshot. */
  readonly name?: string;
  /** Rows learned at its cut, by all trainers. */
  readonly sequence: number;
  readonly bytes: number;
}

/** Asks for {@link SnapshotterStatus}. */
export interface GetSnapshotterStatus extends Request<SnapshotterStatus> {
  readonly kind: "getStatus";
}

/** All that a snapshotter understands. */
export type SnapshotterMessage = WakeSnapshotter | TakeSnapshot | GetSnapshotterStatus;

const prefix = "snapshots/";
const manifestSuffix = "/manifest.json";

/** A name after `newest`, also where the clock has stepped back. */
export function snapshotName(atMs: number, newest?: string): string {
  const after = newest === undefined ? 0 : Number(newest.slice(prefix.length)) + 1;
  return prefix + String(Math.max(Math.floor(atMs), after)).padStart(15, "0");
}

/** The name of its manifest in the blob store. */
export function manifestName(snapshot: string): string {
  return snapshot + manifestSuffix;
}

/** Names of all blobs of all snapshots, also of those that were never finished. */
function listSnapshotBlobs(blobs: BlobStore): Promise<string[]> {
  return blobs.list(prefix);
}

/** The finished snapshots, newest first. */
export async function readManifests(blobs: BlobStore): Promise<SnapshotManifest[]> {
  const names = (await listSnapshotBlobs(blobs)).filter(isManifest);
  const manifests: SnapshotManifest[] = [];
  for (const name of names.reverse()) {
    const bytes = await blobs.get(name);
    if (bytes === undefined) continue; // deleted meanwhile: an old one
    const manifest = JSON.parse(new TextDecoder().decode(bytes)) as SnapshotManifest;
    if (manifest.format !== FORMAT) {
      throw new SnapshotError(
        name,
        `it has format ${manifest.format}, and this build reads ${FORMAT}`,
      );
    }
    manifests.push(manifest);
  }
  return manifests;
}

/** Deletes all blobs of other snapshots than these. */
export async function keepSnapshots(
  blobs: BlobStore,
  kept: readonly SnapshotManifest[],
): Promise<void> {
  const names = (await listSnapshotBlobs(blobs)).filter((blob) =>
    !kept.some(({ name }) => blob.startsWith(`${name}/`))
  );
  // Manifests first: a snapshot with parts missing must not look finished.
  names.sort((a, b) => Number(isManifest(b)) - Number(isManifest(a)));
  for (const name of names) await blobs.delete(name);
}

function isManifest(blob: string): boolean {
  return blob.endsWith(manifestSuffix);
}

/** Writes the manifest: from now on the snapshot is whole. */
export async function writeManifest(blobs: BlobStore, manifest: SnapshotManifest): Promise<void> {
  const text = JSON.stringify(manifest, undefined, 1);
  await blobs.put(manifestName(manifest.name), new TextEncoder().encode(text));
}

/** Rows of all partitions that are learned at the cut. */
export function sequenceOf({ trainers }: SnapshotManifest): number {
  return trainers.reduce((sum, { sequence }) => sum + sequence, 0);
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
