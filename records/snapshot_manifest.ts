/**
 * A snapshot: blobs under one name, made real by a manifest that is written last.
 *
 * A snapshot is a consistent cut. Between two batches the trainers stand still, every shard notes that moment, and then
 * each writes its part while learning goes on. A restart is the newest snapshot and the example log from its cut.
 */
import type { BlobStore } from "../mesh/ports/blob_store.ts";
import { type ShardPart, SnapshotError, type TrainerPart } from "./snapshot_parts.ts";

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
