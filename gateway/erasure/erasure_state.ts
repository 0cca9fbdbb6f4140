/**
 * The state of an erasure: the parts that have dropped the user, and the logs and snapshots that
 * still hold records of before. Read anew for each answer, so that it states the present.
 */
import {
  type ErasureRequest,
  readTrainerErasure,
  type TrainerErasure,
} from "../../records/erasure.ts";
import {
  listPinned,
  listUnfinished,
  readManifests,
  type SnapshotManifest,
} from "../../records/snapshot_manifest.ts";
import { chainOf } from "../../records/snapshot_parts.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { ErasureSources } from "./sources.ts";

/** Budget of one question to a part, ms. */
export const BUDGET_MS = 1_000;

/** A log or snapshot that holds records or rows of the user. */
export type ErasureHold =
  | { readonly kind: "eventLog" | "exampleLog"; readonly partition: number }
  | { readonly kind: "snapshot"; readonly name: string; readonly pinned: boolean };

export interface ErasureState {
  readonly request: ErasureRequest;
  /** By trainer, both passes; the second is undefined before the trainer has come to it. */
  readonly trainers: readonly (readonly (TrainerErasure | undefined)[])[];
  /** By keeper: whether its state and its checkpoint are without the user. */
  readonly keepers: readonly boolean[];
  readonly holds: readonly ErasureHold[];
}

/** Whether every part has dropped the user. */
export function isForgotten({ request, trainers, keepers }: ErasureState): boolean {
  return request.servedAtMs !== undefined && areLearned(trainers) && keepers.every(Boolean);
}

/** Whether every trainer has removed the rows in pass 2. */
export function areLearned(trainers: ErasureState["trainers"]): boolean {
  return trainers.every(([, second]) => second !== undefined);
}

/** Reads the state of an erasure. */
export async function readState(
  sources: ErasureSources,
  request: ErasureRequest,
): Promise<ErasureState> {
  const { keepers } = sources;
  const trainers = await readTrainers(sources, request);
  const forgotten = await Promise.all(
    keepers.map((keeper) =>
      keeper.ask({ kind: "getStatus" }, { budgetMs: BUDGET_MS })
        .then(({ saved }) => isPast(saved, request.secondAt), () => false)
    ),
  );
  return {
    request,
    trainers,
    keepers: forgotten,
    holds: await holdsOf(sources, request, trainers),
  };
}

/** Reads the trainers' parts of an erasure. */
export function readTrainers(
  { blobs, trainers }: Pick<ErasureSources, "blobs" | "trainers">,
  { erasureId }: Pick<ErasureRequest, "erasureId">,
): Promise<ErasureState["trainers"]> {
  return Promise.all(
    trainers.map((source) =>
      Promise.all(
        ([1, 2] as const).map((pass) => readTrainerErasure(blobs, erasureId, pass, source)),
      )
    ),
  );
}

async function holdsOf(
  { eventLog, exampleLog, blobs }: ErasureSources,
  { firstAt, secondAt, newestBefore = "", unfinished = [] }: ErasureRequest,
  trainers: ErasureState["trainers"],
): Promise<ErasureHold[]> {
  const holds: ErasureHold[] = [];
  const last = secondAt ?? firstAt;
  for (let partition = 0; partition < eventLog.partitions; partition++) {
    if (await storedFrom(eventLog, partition) > last[partition]) continue;
    holds.push({ kind: "eventLog", partition });
  }
  for (const [partition, [, second]] of trainers.entries()) {
    const isGone = second !== undefined && await storedFrom(exampleLog, partition) > second.offset;
    if (!isGone) holds.push({ kind: "exampleLog", partition });
  }
  const pinned = await listPinned(blobs);
  for (const manifest of await readManifests(blobs)) {
    const { name } = manifest;
    const isWhole = isAfter(manifest, trainers) &&
      membersOf(manifest).every((member) => member > newestBefore);
    if (!isWhole) holds.push({ kind: "snapshot", name, pinned: pinned.includes(name) });
  }
  for (const name of await listUnfinished(blobs)) {
    // Its manifest is deleted, and its parts are still there.
    const isBefore = name <= newestBefore || unfinished.includes(name);
    if (isBefore) holds.push({ kind: "snapshot", name, pinned: false });
  }
  return holds;
}

/** Name of the newest snapshot whose cut lies before the removals; undefined without any. */
export async function newestBeforeOf(
  blobs: BlobStore,
  trainers: ErasureState["trainers"],
): Promise<string | undefined> {
  const manifests = await readManifests(blobs);
  return manifests.find((manifest) => !isAfter(manifest, trainers))?.name;
}

/** Whether the snapshot's cut lies behind the removals of all trainers. */
function isAfter(
  { trainers: cut }: SnapshotManifest,
  trainers: ErasureState["trainers"],
): boolean {
  return trainers.every(([, second]) =>
    cut.some(({ source, sequence }) =>
      second !== undefined && source === second.source && sequence >= second.sequence
    )
  );
}

/** The snapshots that have written members of a snapshot's chains. */
function membersOf({ shards }: SnapshotManifest): string[] {
  const headers = shards.flatMap(chainOf).map(({ header }) => header.name);
  return headers.map((blob) => blob.split("/").slice(0, 2).join("/"));
}

/** Offset of the oldest record that the log stores; its end if it stores none. */
async function storedFrom(log: EventLog, partition: number): Promise<number> {
  if (log.storedFrom !== undefined) return await log.storedFrom(partition);
  const [oldest] = await log.read(partition, 0, 1);
  return oldest?.offset ?? await log.endOffset(partition);
}

/** Whether all offsets are behind those of the records. */
function isPast(offsets: readonly number[], at: readonly number[] | undefined): boolean {
  return at !== undefined && at.every((record, partition) => offsets[partition] > record);
}
