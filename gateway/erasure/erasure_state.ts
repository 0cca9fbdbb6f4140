/**
 * The state of an erasure: the parts that have dropped the user, and the logs and snapshots that
 * still hold earlier records. Read anew for each answer, so that it states the present.
 */
import {
  type ErasureRequest,
  progressOf,
  readErasureRequest,
  readTrainerErasure,
  type TrainerErasure,
} from "../../records/erasure.ts";
import {
  listStored,
  partsOf,
  type SnapshotManifest,
  type StoredSnapshot,
} from "../../records/snapshot_manifest.ts";
import { chainOf, cutOf } from "../../records/snapshot_parts.ts";
import {
  endOf,
  numbersOf,
  partitioningsOf,
  type PartitionRange,
} from "../../mesh/ports/partitioning.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import { present } from "../../structures/invariant.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { ErasureParts } from "./erasure_parts.ts";

/** Budget of one question to a part, ms. */
export const BUDGET_MS = 1_000;

/** A log or snapshot that holds records or rows of the user. */
export type ErasureHold =
  | { readonly kind: "eventLog" | "exampleLog"; readonly partition: number }
  | { readonly kind: "snapshot"; readonly name: string; readonly pinned: boolean };

export interface ErasureState {
  readonly request: ErasureRequest;
  /** The source of the gradients of each part of `trainers`. */
  readonly sources: readonly string[];
  /** By trainer, both passes; the second is undefined before the trainer has come to it. */
  readonly trainers: readonly (readonly (TrainerErasure | undefined)[])[];
  /** By keeper: whether its state and its checkpoint are without the user. */
  readonly keepers: readonly boolean[];
  readonly holds: readonly ErasureHold[];
  /** Name of the oldest finished snapshot. */
  readonly oldest: string | undefined;
}

/** Whether every part has dropped the user. */
export function isForgotten({ request, trainers, keepers }: ErasureState): boolean {
  return request.servedAtMs !== undefined && areLearned(trainers) && keepers.every(Boolean);
}

/** Whether every trainer has removed the rows in pass 2. */
export function areLearned(trainers: ErasureState["trainers"]): boolean {
  return trainers.every(([, second]) => second !== undefined);
}

/** Reads the state of an erasure; that of one which another continues is the state of the other. */
export async function readState(
  parts: ErasureParts,
  request: ErasureRequest,
): Promise<ErasureState> {
  const { keepers, blobs } = parts;
  const { continuedBy } = request;
  const later = continuedBy && await readErasureRequest(blobs, continuedBy);
  if (later) {
    const state = await readState(parts, later);
    return { ...state, request: { ...request, ...progressOf(state.request) } };
  }
  const trainers = await readTrainers(parts, request);
  const forgotten = await Promise.all(
    keepers.map((keeper) =>
      keeper.ask({ kind: "getStatus" }, { budgetMs: BUDGET_MS })
        .then(({ saved }) => isPast(saved, request.secondAt), () => false)
    ),
  );
  const stored = await listStored(blobs);
  return {
    request,
    sources: numbersOf(learningOf(parts, request)).map(gradientSource),
    trainers,
    keepers: forgotten,
    holds: [
      ...await logHolds(parts, request, trainers),
      ...snapshotHolds(stored, request, trainers),
    ],
    oldest: stored.findLast(({ finished }) => finished)?.name,
  };
}

/** Reads the trainers' parts of an erasure, one for each partition that has its last records. */
export function readTrainers(
  parts: Pick<ErasureParts, "blobs" | "partitionings">,
  request: ErasureRequest,
): Promise<ErasureState["trainers"]> {
  const { blobs } = parts;
  const { erasureId } = request;
  return Promise.all(
    numbersOf(learningOf(parts, request)).map(gradientSource).map((source) =>
      Promise.all(
        ([1, 2] as const).map((pass) => readTrainerErasure(blobs, erasureId, pass, source)),
      )
    ),
  );
}

/**
 * The partitions of the example log that get the last records of an erasure: those of the
 * partitioning in which its gateway appended them.
 */
function learningOf(
  { partitionings }: Pick<ErasureParts, "partitionings">,
  { firstAt, secondAt }: ErasureRequest,
): PartitionRange {
  const all = partitioningsOf(partitionings());
  const { length } = secondAt ?? firstAt;
  const own = all.find(({ events }) => endOf(events) === length) ?? all.at(-1);
  return present(own, "a log has a partitioning").examples;
}

/** The partitions of the logs that hold records of the user. */
async function logHolds(
  parts: ErasureParts,
  request: ErasureRequest,
  trainers: ErasureState["trainers"],
): Promise<ErasureHold[]> {
  const { eventLog, exampleLog } = parts;
  const { firstAt, secondAt } = request;
  const { first: firstExamplePartition } = learningOf(parts, request);
  const holds: ErasureHold[] = [];
  const last = secondAt ?? firstAt;
  for (let partition = 0; partition < eventLog.partitions; partition++) {
    // A partition that was added since has no records of the user from before.
    if (await storedFrom(eventLog, partition) > (last[partition] ?? -1)) continue;
    holds.push({ kind: "eventLog", partition });
  }
  for (let partition = 0; partition < firstExamplePartition; partition++) {
    // The last chunk of an ended partition has no rows.
    const isGone = await storedFrom(exampleLog, partition) >=
      await exampleLog.endOffset(partition) - 1;
    if (!isGone) holds.push({ kind: "exampleLog", partition });
  }
  for (const [i, [, second]] of trainers.entries()) {
    const partition = firstExamplePartition + i;
    const isGone = second !== undefined && await storedFrom(exampleLog, partition) > second.offset;
    if (!isGone) holds.push({ kind: "exampleLog", partition });
  }
  return holds;
}

/**
 * The snapshots that hold rows of the user. A finished one is without them where its own cut and
 * those of the members that it continues lie behind the removals. Other blobs below its prefix, and
 * those of a prefix without a manifest, and bytes of unfinished puts prove nothing by themselves:
 *
 *     behind the newest finished snapshot    being written now, by actors that go on from finished
 *                                            snapshots, which have to be without the user as well
 *     before it                              left by deletes that failed or that a power failure
 *                                            took back, or by a process that was killed in a put: a
 *                                            hold, until the snapshotter deletes them
 */
function snapshotHolds(
  stored: readonly StoredSnapshot[],
  { cleanFrom }: ErasureRequest,
  trainers: ErasureState["trainers"],
): ErasureHold[] {
  const without = stored.flatMap(({ manifest }) => manifest ?? [])
    .filter((manifest) => isWithout(manifest, trainers));
  const names = new Set(without.map(({ name }) => name));
  const parts = new Set(without.flatMap(partsOf).map(({ name }) => name));
  const provenFrom = cleanFrom ?? stored.find(({ finished }) => finished)?.name;
  const isLeft = (snapshot: StoredSnapshot) =>
    (provenFrom === undefined || snapshot.name < provenFrom || snapshot.finished) &&
    (snapshot.unfinishedParts.length > 0 || snapshot.parts.some((blob) => !parts.has(blob)));
  return stored
    .filter((snapshot) => snapshot.finished && !names.has(snapshot.name) || isLeft(snapshot))
    .map(({ name, pinned }) => ({ kind: "snapshot", name, pinned }));
}

/** Whether all members of the snapshot were cut behind the removals of all trainers. */
function isWithout(
  { trainers: cut, shards }: SnapshotManifest,
  trainers: ErasureState["trainers"],
): boolean {
  const cuts = [cutOf(cut), ...shards.flatMap(chainOf).map((member) => member.cut)];
  return trainers.every(([, second]) =>
    second !== undefined && cuts.every((cut) => cut[second.source] >= second.sequence)
  );
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
