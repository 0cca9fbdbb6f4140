/**
 * A snapshot: blobs under one prefix, and a manifest that is written last and makes them a
 * snapshot.
 *
 *     snapshots/001764412388123/claimed             empty; with logs on Redis, before the parts
 *     snapshots/001764412388123/trainer/0           checkpoint of each trainer
 *     snapshots/001764412388123/shard-0/header      slot names and row layouts of each shard
 *     snapshots/001764412388123/shard-0/chunk-00000 rows or admission counters of each shard
 *     snapshots/001764412388123/manifest.json       names, lengths and checksums of all parts
 *
 * A snapshot is a consistent cut of trainers and shards between two batches. A restart loads the
 * newest snapshot and reads the example log from its cut.
 *
 * A shard writes only its changes since the snapshot before. The manifest names all members of the
 * chain that lead to its cut, also those under the prefixes of earlier snapshots, and a blob stays
 * as long as a retained or pinned manifest names it.
 */
import {
  BlobDamagedError,
  type BlobStore,
  deleteUnfinishedPuts,
} from "../mesh/ports/blob_store.ts";
import {
  chainOf,
  type ShardPart,
  SnapshotError,
  type SnapshotPart,
  type TrainerPart,
} from "./snapshot_parts.ts";

/** Version of the manifest and of the contents of the parts; a build reads only its own. */
export const FORMAT = 12;

/** The parts of a snapshot. */
export interface SnapshotManifest {
  readonly format: typeof FORMAT;
  /** Prefix of the snapshot's blobs; ascending with time. */
  readonly name: string;
  /** Wall time of the cut, ms since the Unix epoch. */
  readonly atMs: number;
  /** By partition. */
  readonly trainers: readonly TrainerPart[];
  readonly shards: readonly ShardPart[];
}

/** Reads of a store whose snapshots are replaced meanwhile. */
const READS_MAX = 5;

const prefix = "snapshots/";
const manifestSuffix = "/manifest.json";
const pinSuffix = "/pinned";
const claimSuffix = "/claimed";

/** A name that sorts after `newest`, even if the clock has stepped back. */
export function snapshotName(atMs: number, newest?: string): string {
  const after = newest === undefined ? 0 : snapshotAtMs(newest) + 1;
  return prefix + String(Math.max(Math.floor(atMs), after)).padStart(15, "0");
}

/** Time that gave a snapshot its name, ms since the Unix epoch. */
export function snapshotAtMs(name: string): number {
  return Number(name.slice(prefix.length));
}

/** Name of a snapshot's manifest in the blob store. */
export function manifestName(snapshot: string): string {
  return snapshot + manifestSuffix;
}

/** Names of the blobs of all snapshots, unfinished ones included. */
function listSnapshotBlobs(blobs: BlobStore): Promise<string[]> {
  return blobs.list(prefix);
}

/**
 * The manifests of all finished snapshots, newest first. A damaged older one is left out: the
 * newest suffices to start, and the next snapshot deletes the other.
 *
 * @param onDamaged Called with the error of a manifest that was left out.
 * @throws {BlobDamagedError | SnapshotError} When the newest is damaged or has another format.
 * @throws {Error} When the store does not give one: it may be whole, and must not be deleted.
 */
export async function readManifests(
  blobs: BlobStore,
  onDamaged: (error: unknown) => void = () => {},
): Promise<SnapshotManifest[]> {
  for (let reads = 1;; reads++) {
    const names = (await listSnapshotBlobs(blobs)).filter(isManifest);
    const manifests: SnapshotManifest[] = [];
    for (const name of names.reverse()) {
      try {
        const bytes = await blobs.get(name);
        if (bytes === undefined) continue; // deleted after it was listed
        manifests.push(decodeManifest(name, bytes));
      } catch (error) {
        if (manifests.length === 0 || !isDamage(error)) throw error;
        onDamaged(error);
      }
    }
    if (manifests.length > 0 || names.length === 0) return manifests;
    // Newer snapshots, of which none is listed, have replaced all of these.
    if (reads === READS_MAX) throw new SnapshotError(names[0], "it was deleted while it was read");
  }
}

function decodeManifest(name: string, bytes: Uint8Array): SnapshotManifest {
  let manifest: SnapshotManifest | null;
  try {
    manifest = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new SnapshotError(name, `it is not JSON (${(cause as Error).message})`);
  }
  const format = manifest?.format;
  if (manifest === null || format !== FORMAT) {
    throw new SnapshotError(name, `it has format ${format}, and this build reads ${FORMAT}`);
  }
  return manifest;
}

/** Names of all finished snapshots, newest first. */
export async function listSnapshots(blobs: BlobStore): Promise<string[]> {
  const manifests = (await listSnapshotBlobs(blobs)).filter(isManifest);
  return manifests.map((blob) => blob.slice(0, -manifestSuffix.length)).reverse();
}

/**
 * The manifest of one snapshot.
 *
 * @throws {SnapshotError} When there is no such snapshot, or it has another format.
 * @throws {BlobDamagedError} When the manifest is damaged.
 */
export async function readManifest(blobs: BlobStore, snapshot: string): Promise<SnapshotManifest> {
  const blob = manifestName(snapshot);
  const bytes = await blobs.get(blob);
  if (bytes === undefined) throw new SnapshotError(blob, "it is missing");
  return decodeManifest(blob, bytes);
}

/** The name of the first of these blobs of snapshots that the store lacks. */
export async function missingBlob(
  blobs: BlobStore,
  expected: readonly Pick<SnapshotPart, "name">[],
): Promise<string | undefined> {
  const stored = new Set(await listSnapshotBlobs(blobs));
  return expected.find(({ name }) => !stored.has(name))?.name;
}

/** Keeps a snapshot when newer ones are taken, until it is unpinned. */
export async function pinSnapshot(blobs: BlobStore, snapshot: string): Promise<void> {
  await blobs.put(snapshot + pinSuffix, new Uint8Array());
}

/** Lets a snapshot be deleted when newer ones are taken. */
export async function unpinSnapshot(blobs: BlobStore, snapshot: string): Promise<void> {
  await blobs.delete(snapshot + pinSuffix);
}

/**
 * Stores a name before any part of its snapshot: snapshotters that start from then on go above it.
 */
export async function claimName(blobs: BlobStore, snapshot: string): Promise<void> {
  await blobs.put(snapshot + claimSuffix, new Uint8Array());
}

/** Gives up a name of which no part was written. */
export async function releaseName(blobs: BlobStore, snapshot: string): Promise<void> {
  await blobs.delete(snapshot + claimSuffix);
}

/** The newest name below which a blob is stored, finished or not; undefined without any. */
export async function newestName(blobs: BlobStore): Promise<string | undefined> {
  const last = (await listSnapshotBlobs(blobs)).at(-1);
  return last && nameOf(last);
}

/** Name of the snapshot whose prefix a blob has. */
function nameOf(blob: string): string {
  return blob.slice(0, blob.indexOf("/", prefix.length));
}

/** The blobs below one prefix. */
export interface StoredSnapshot {
  readonly name: string;
  readonly pinned: boolean;
  /** Whether it has a manifest. Without one it is being written, or deletes have left it. */
  readonly finished: boolean;
  /** Undefined where it has no manifest, or a damaged one. */
  readonly manifest: SnapshotManifest | undefined;
  /** Names of its blobs that hold something of it, besides the manifest. */
  readonly parts: readonly string[];
  /** Names of the parts of which unfinished puts have stored bytes. */
  readonly unfinishedParts: readonly string[];
}

/** All that is stored of snapshots, the newest first. */
export async function listStored(blobs: BlobStore): Promise<StoredSnapshot[]> {
  // Listed first: a put that ends between the two lists is in both.
  const unfinished = Map.groupBy(await blobs.listUnfinished(prefix), nameOf);
  const finished = Map.groupBy(await listSnapshotBlobs(blobs), nameOf);
  const names = [...new Set([...finished.keys(), ...unfinished.keys()])].sort().reverse();
  return await Promise.all(names.map(async (name) => {
    const all = finished.get(name) ?? [];
    const others = [manifestName(name), name + pinSuffix, name + claimSuffix];
    const isPart = (blob: string) => !others.includes(blob);
    return {
      name,
      pinned: all.includes(name + pinSuffix),
      finished: all.includes(manifestName(name)),
      manifest: await readManifest(blobs, name).catch(() => undefined),
      parts: all.filter(isPart),
      unfinishedParts: (unfinished.get(name) ?? []).filter(isPart),
    };
  }));
}

/** Names of the pinned snapshots. */
export async function listPinned(blobs: BlobStore): Promise<string[]> {
  return pinnedAmong(await listSnapshotBlobs(blobs));
}

function pinnedAmong(names: readonly string[]): string[] {
  return names.filter((name) => name.endsWith(pinSuffix))
    .map((name) => name.slice(0, -pinSuffix.length));
}

/**
 * Deletes the blobs of snapshots except those that `retained` and the pinned ones name, and the
 * bytes of unfinished puts. Snapshots after the newest retained one stay: another snapshotter may
 * be at work on them, and the next call deletes those that were given up.
 *
 * @param retained Newest first.
 * @throws {Error} When the store does not give a pinned manifest; nothing is deleted then.
 */
export async function keepSnapshots(
  blobs: BlobStore,
  retained: readonly SnapshotManifest[],
): Promise<void> {
  const newest = retained[0]?.name;
  const isLater = (blob: string) => newest === undefined || blob.slice(0, newest.length) > newest;
  const all = (await listSnapshotBlobs(blobs)).filter((blob) => !isLater(blob));
  const pinned = pinnedAmong(all);
  const named = new Set(retained.flatMap(partsOf).map(({ name }) => name));
  for (const { name } of retained) named.add(manifestName(name));
  for (const name of pinned) {
    for (const part of await partsOfPinned(blobs, name)) named.add(part.name);
  }
  const names = all.filter((blob) =>
    !named.has(blob) && !pinned.some((prefix) => blob.startsWith(`${prefix}/`))
  );
  // Manifests first: a snapshot whose parts are being deleted must not look finished.
  names.sort((a, b) => Number(isManifest(b)) - Number(isManifest(a)));
  for (const name of names) await blobs.delete(name);
  await deleteUnfinishedPuts(blobs, prefix, (name) => !isLater(name));
}

/**
 * The parts of a pinned snapshot; none where its manifest is damaged or gone.
 *
 * @throws {Error} When the store does not give the manifest.
 */
async function partsOfPinned(blobs: BlobStore, name: string): Promise<readonly SnapshotPart[]> {
  try {
    return partsOf(await readManifest(blobs, name));
  } catch (error) {
    if (!isDamage(error)) throw error;
    return []; // its own blobs are retained by their prefix
  }
}

/** Whether a manifest itself is unusable, rather than the store unreachable. */
function isDamage(error: unknown): boolean {
  return error instanceof BlobDamagedError || error instanceof SnapshotError;
}

function isManifest(blob: string): boolean {
  return blob.endsWith(manifestSuffix);
}

/** Writes the manifest, which finishes the snapshot. */
export async function writeManifest(blobs: BlobStore, manifest: SnapshotManifest): Promise<void> {
  const text = JSON.stringify(manifest, undefined, 1);
  await blobs.put(manifestName(manifest.name), new TextEncoder().encode(text));
}

/** All parts of a snapshot, those of earlier snapshots included. */
export function partsOf({ trainers, shards }: SnapshotManifest): SnapshotPart[] {
  return [
    ...trainers.map(({ checkpoint }) => checkpoint),
    ...shards.flatMap(chainOf).flatMap(({ header, chunks }) => [header, ...chunks]),
  ];
}

/** Bytes of all parts of a snapshot, those of earlier snapshots included. */
export function snapshotBytes(manifest: SnapshotManifest): number {
  return partsOf(manifest).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Bytes that the snapshot itself wrote. */
export function bytesWritten(manifest: SnapshotManifest): number {
  return partsOf(manifest).filter(({ name }) => name.startsWith(`${manifest.name}/`))
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Members of the longest chain among the shards; 1 where all of them are full. */
export function chainLength({ shards }: SnapshotManifest): number {
  return Math.max(0, ...shards.map((shard) => chainOf(shard).length));
}

/** Rows that all trainers together have learned at the cut. */
export function sequenceOf({ trainers }: SnapshotManifest): number {
  return trainers.reduce((sum, { sequence }) => sum + sequence, 0);
}
