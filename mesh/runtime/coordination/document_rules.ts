/**
 * Rules for the mesh's documents: its settings, the newest manifest and the plan. Pure functions
 * over the mesh's records.
 */
import {
  type AcceptedBlobs,
  type ExpectedPlan,
  type HostRecord,
  type ManifestOffer,
  type ManifestRecord,
  type MeshIdentity,
  type MeshOpening,
  type PlacedKey,
  type Placement,
  type PlanRecord,
  RECOVERY_STEP,
  type SnapshotOwners,
} from "../../ports/coordination.ts";
import { PlanConflictError, StaleManifestError } from "../../ports/coordination_errors.ts";
import type { Json, RecordView } from "../../ports/record_store.ts";
import { present } from "../../../structures/invariant.ts";
import { checkController, requireTerms } from "./host_rules.ts";
import { json, placedKeys, recordKeys, records } from "./record_keys.ts";

/** Creates the mesh or compares its settings; see {@link Coordination.open}. */
export function openMesh(
  view: RecordView,
  settings: MeshOpening,
  mesh: string,
  { silent, hostTtlMs }: { readonly silent: readonly HostRecord[]; readonly hostTtlMs: number },
): MeshIdentity {
  const found = records.identity(view);
  if (!found) {
    const { shards, eventPartitions, examplePartitions, trainers } = settings;
    const identity: MeshIdentity = {
      shards,
      eventPartitions,
      examplePartitions,
      trainers,
      sharding: 0,
      dealing: 0,
      earlierPartitions: [],
      mesh,
      protocol: 0,
    };
    view.set(recordKeys.identity, json(identity));
    return identity;
  }
  // The mesh keeps its own numbers of parts, whatever the files of its hosts say.
  const { host: own } = settings;
  requireTerms(view, found, settings, { ...(own !== undefined && { own }), silent, hostTtlMs });
  return found;
}

/** Takes the blob store with a mark for the mesh's; see {@link Coordination.markBlobs}. */
export function markBlobs(view: RecordView, mark: string): string {
  const identity = present(records.identity(view), "a mesh is opened before its store is marked");
  if (identity.blobsMark !== undefined) return identity.blobsMark;
  view.set(recordKeys.identity, json({ ...identity, blobsMark: mark }));
  return mark;
}

/** Makes a snapshot the newest one; see {@link Coordination.publishManifest}. */
export function publishManifest(view: RecordView, offer: ManifestOffer): ManifestRecord {
  const { name, after, generation, epochs } = offer;
  const present = records.manifest(view);
  // The answer to an earlier sending of the same offer was lost.
  if (present?.name === name && present.sequence === after + 1) return present;
  const change = changeOfOwners(view, { generation, epochs });
  if (change !== undefined) throw new StaleManifestError(name, change);
  if ((present?.sequence ?? 0) !== after) {
    throw new StaleManifestError(
      name,
      `it follows manifest ${after}, and the newest is ${present?.sequence ?? 0}`,
    );
  }
  const record: ManifestRecord = { name, sequence: after + 1 };
  view.set(recordKeys.manifest, json(record));
  return record;
}

/** Records the oldest snapshot that is kept; see {@link Coordination.recordOldestSnapshot}. */
export function recordOldestSnapshot(
  view: RecordView,
  oldest: string,
  owners: SnapshotOwners,
): boolean {
  if (changeOfOwners(view, owners) !== undefined) return false;
  if (records.oldestSnapshot(view) !== oldest) view.set(recordKeys.oldestSnapshot, oldest);
  return true;
}

/** How the owners have changed since the begin of a snapshot, in words; undefined = not at all. */
function changeOfOwners(
  view: RecordView,
  { generation, epochs }: SnapshotOwners,
): string | undefined {
  const counts = records.counts(view);
  if (counts.generation !== generation) {
    return `it was cut in generation ${generation}, and the mesh is in ${counts.generation}`;
  }
  for (const [key, epoch] of Object.entries(epochs) as [PlacedKey, number][]) {
    const found = records.placement(view, key).epoch;
    if (found !== epoch) return `${key} was written in epoch ${epoch}, and its epoch is ${found}`;
  }
  return undefined;
}

/** Replaces the plan; see {@link Coordination.writePlan}. */
export function writePlan(
  view: RecordView,
  expected: ExpectedPlan,
  document: Json,
): PlanRecord {
  const present = records.plan(view);
  const edition = present?.edition ?? 0;
  const isRepeated = edition === expected.edition + 1 &&
    JSON.stringify(present?.document) === JSON.stringify(document);
  if (present && isRepeated) return present;
  if (expected.controllerEpoch !== undefined) checkController(view, expected.controllerEpoch);
  if (edition !== expected.edition) {
    throw new PlanConflictError(`it is edition ${edition}, and ${expected.edition} was read`);
  }
  const { version } = records.counts(view);
  if (expected.version !== undefined && expected.version !== version) {
    throw new PlanConflictError(
      `the mesh is at version ${version}, and the plan was made from ${expected.version}`,
    );
  }
  const record: PlanRecord = { edition: edition + 1, document };
  view.set(recordKeys.plan, json(record));
  return record;
}

/** Puts all epochs beyond those that may have been lost; see {@link Coordination.acceptLoss}. */
export function acceptLoss(
  view: RecordView,
  { mark, newestSnapshot, examplesFrom }: AcceptedBlobs,
): void {
  const identity = present(records.identity(view), "a mesh is opened before its loss is accepted");
  const { version, generation } = records.counts(view);
  const counts = { version: version + RECOVERY_STEP, generation: generation + RECOVERY_STEP };
  view.set(recordKeys.counts, json(counts));
  const control = records.control(view);
  if (control) {
    const ended = { ...control, epoch: control.epoch + RECOVERY_STEP, expiresMs: 0 };
    view.set(recordKeys.control, json(ended));
  }
  // A sharding or a dealing that was lost may have begun on some hosts.
  const [sharding, dealing] = [identity.sharding + RECOVERY_STEP, identity.dealing + RECOVERY_STEP];
  view.set(recordKeys.identity, json({ ...identity, sharding, dealing, blobsMark: mark }));
  if (newestSnapshot === undefined) view.delete(recordKeys.oldestSnapshot);
  else view.set(recordKeys.oldestSnapshot, newestSnapshot);
  if (examplesFrom === undefined) view.delete(recordKeys.examplesFrom);
  else view.set(recordKeys.examplesFrom, [...examplesFrom]);
  const reshard = records.reshard(view);
  if (reshard?.state === "asked") {
    view.set(recordKeys.reshard, json({ ...reshard, state: "cancelled" }));
  }
  const current = new Set(placedKeys(identity));
  // The parts of an earlier division keep their epochs for a later one.
  const earlier = ["shard/", "trainer/", "events/"].flatMap((prefix) => view.entries(prefix))
    .map(([key]) => key as PlacedKey);
  for (const key of new Set([...current, ...earlier])) {
    const { epoch }: Placement = records.placement(view, key);
    view.set(key, json({ state: "unassigned", epoch: epoch + RECOVERY_STEP }));
  }
  view.skipRevisions(RECOVERY_STEP);
}
