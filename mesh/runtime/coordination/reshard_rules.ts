/**
 * Rules for a change of the number of shards, of trainers or of partitions: pure functions over the
 * mesh's records.
 *
 * Between two shardings nothing is owned by two hosts: the step that begins the new one takes every
 * shard from its owner and gives each trainer the next epoch. The rows are those of the newest
 * snapshot, from which the controller has the new shards restored as after the loss of their hosts.
 *
 * The step that begins a dealing takes every trainer from its owner, under an epoch above those of
 * all trainers before. So whatever trainer had a partition, shards take nothing more of it once the
 * present one has opened its stream. The controller gives the new trainers to hosts, and each goes
 * on at the newest snapshot that all shards have reached.
 *
 * The step that begins a partitioning begins a dealing too, of as many trainers, or of another
 * number that was asked for with it. It gives every joiner the next epoch, so that each is made
 * anew: those of the partitions before end them, and the controller gives the new ones to hosts.
 */
import type {
  HostRecord,
  HostRun,
  MeshIdentity,
  PlacedKey,
  PlacedKind,
  Placement,
} from "../../ports/coordination.ts";
import { PlanConflictError } from "../../ports/coordination_errors.ts";
import {
  changeWords,
  type CountedParts,
  type ReshardRecord,
  ReshardRefusedError,
  type ReshardRequest,
  wayBack,
} from "../../ports/resharding.ts";
import type { RecordView } from "../../ports/record_store.ts";
import { present } from "../../../structures/invariant.ts";
import { checkController, liveRun } from "./host_rules.ts";
import { json, placedKeys, raiseCounts, recordKeys, records, shardKeys } from "./record_keys.ts";
import { reasonAgainst, reshardStepOf } from "./reshard_refusals.ts";

/** Asks for another number of parts; see {@link Coordination.askReshard}. */
export function askReshard(
  view: RecordView,
  { version, ...request }: ReshardRequest,
): ReshardRecord {
  const identity = identityOf(view);
  const before = records.reshard(view);
  const { parts, to, examples, trainers, override } = request;
  if (override !== undefined && parts !== "trainers") {
    throw new ReshardRefusedError("an override is for the number of trainers alone", parts);
  }
  if (before?.state === "asked" && isAskedFor(before, request)) {
    if (override === undefined || override === before.override) return before;
    const overridden: ReshardRecord = { ...before, override };
    view.set(recordKeys.reshard, json(overridden));
    return overridden;
  }
  const counts = records.counts(view);
  if (version !== undefined && version !== counts.version) {
    throw new PlanConflictError(`the mesh is at version ${counts.version}, not ${version}`);
  }
  const refusal = reasonAgainst(view, identity, request);
  if (refusal !== undefined) throw new ReshardRefusedError(refusal, parts);
  const record: ReshardRecord = {
    parts,
    division: divisionOf(identity, parts) + 1,
    from: parts === "partitions" ? identity.eventPartitions : identity[parts],
    to,
    ...(examples !== undefined && { examples: { from: identity.examplePartitions, to: examples } }),
    ...(trainers !== undefined && { trainers: { from: identity.trainers, to: trainers } }),
    ...(override !== undefined && { override }),
    state: "asked",
    planBefore: records.plan(view)?.edition ?? 0,
  };
  view.set(recordKeys.reshard, json(record));
  return record;
}

/** Whether a change that is asked for is that of a request. */
function isAskedFor(
  { parts, to, examples, trainers }: ReshardRecord,
  request: Omit<ReshardRequest, "version">,
): boolean {
  return parts === request.parts && to === request.to && examples?.to === request.examples &&
    trainers?.to === request.trainers;
}

/** Ends a change that has not begun; see {@link Coordination.cancelReshard}. */
export function cancelReshard(view: RecordView): ReshardRecord {
  const before = records.reshard(view);
  if (before?.state === "cancelled") return before;
  if (before === undefined) throw new ReshardRefusedError("no change was asked for");
  if (before.state !== "asked") {
    const reached = before.state === "done" ? "is done" : "has begun and is carried to its end";
    throw new ReshardRefusedError(
      `the change ${changeWords(before)} ${reached}; to go back, ${wayBack(before)}`,
      before.parts,
    );
  }
  const record: ReshardRecord = { ...before, state: "cancelled" };
  view.set(recordKeys.reshard, json(record));
  return record;
}

/** Begins the change that was asked for; see {@link Coordination.beginReshard}. */
export function beginReshard(
  view: RecordView,
  run: HostRun,
  { parts, division }: Pick<ReshardRecord, "parts" | "division">,
): MeshIdentity {
  liveRun(view, run);
  const identity = identityOf(view);
  const asked = records.reshard(view);
  const isSame = asked?.parts === parts && asked.division === division;
  // The answer to an earlier sending was lost.
  const hasBegun = asked?.state === "begun" || asked?.state === "done";
  if (isSame && hasBegun && divisionOf(identity, parts) === division) return identity;
  if (!isSame || asked.state !== "asked") {
    throw new ReshardRefusedError(`the change ${division} is not asked for any more`, parts);
  }
  const next = begun(view, identity, asked);
  view.set(recordKeys.identity, json(next));
  view.set(recordKeys.reshard, json({ ...asked, state: "begun" }));
  raiseCounts(view, { rewind: parts === "shards" });
  return next;
}

/** Records that a change is done; see {@link Coordination.endReshard}. */
export function endReshard(
  view: RecordView,
  controllerEpoch: number,
  { parts, division }: Pick<ReshardRecord, "parts" | "division">,
): void {
  checkController(view, controllerEpoch);
  const begun = records.reshard(view);
  if (begun?.parts !== parts || begun.division !== division || begun.state !== "begun") return;
  if (reshardStepOf(view, identityOf(view), begun)?.kind !== "done") return;
  view.set(recordKeys.reshard, json({ ...begun, state: "done" }));
}

function begun(view: RecordView, identity: MeshIdentity, asked: ReshardRecord): MeshIdentity {
  switch (asked.parts) {
    case "shards":
      return beginSharding(view, identity, asked);
    case "trainers":
      return beginDealing(view, identity, asked);
    case "partitions":
      return beginPartitioning(view, identity, asked);
  }
}

function beginSharding(
  view: RecordView,
  identity: MeshIdentity,
  { from, to, division }: ReshardRecord,
): MeshIdentity {
  const moving = shardKeys(identity.shards)
    .find((key) => records.placement(view, key).state === "moving");
  if (moving !== undefined) throw new ReshardRefusedError(`${moving} moves; it begins afterwards`);
  for (const key of shardKeys(Math.max(from, to))) {
    const { epoch } = records.placement(view, key);
    const placement: Placement = { state: "unassigned", epoch: epoch + 1 };
    view.set(key, json(placement));
  }
  for (const key of trainerKeys(identity.trainers)) {
    const placement = records.placement(view, key);
    if (placement.state === "unassigned") continue;
    const { owner, epoch } = placement;
    const restarted: Placement = { state: "restoring", owner, epoch: epoch + 1 };
    view.set(key, json(restarted));
  }
  // The reported sizes are those of the shards before.
  for (const host of records.hosts(view)) {
    const known: HostRecord = { ...host, load: {} };
    view.setQuietly(recordKeys.host(host.host), json(known));
  }
  return { ...identity, shards: to, sharding: division };
}

function beginDealing(
  view: RecordView,
  identity: MeshIdentity,
  { from, to, division }: Pick<ReshardRecord, "from" | "to" | "division">,
): MeshIdentity {
  // Also above those of earlier dealings: a partition may have been any trainer's.
  const given: Placement = { state: "unassigned", epoch: nextEpoch(view, "trainer") };
  for (const key of trainerKeys(Math.max(from, to))) view.set(key, json(given));
  return { ...identity, trainers: to, dealing: division };
}

function beginPartitioning(
  view: RecordView,
  identity: MeshIdentity,
  { to, examples, trainers, division }: ReshardRecord,
): MeshIdentity {
  const { eventPartitions, examplePartitions, earlierPartitions } = identity;
  const next: MeshIdentity = {
    ...beginDealing(view, identity, {
      from: identity.trainers,
      to: trainers?.to ?? identity.trainers,
      division,
    }),
    eventPartitions: to,
    examplePartitions: present(examples, "a partitioning has partitions of examples").to,
    earlierPartitions: [
      ...earlierPartitions,
      { events: eventPartitions, examples: examplePartitions },
    ],
  };
  // A keeper follows another joiner now, and its checkpoints are written under that one's epoch.
  const epoch = nextEpoch(view, "events");
  for (const key of placedKeys(next)) {
    if (!key.startsWith("events/")) continue;
    const before = records.placement(view, key);
    const given: Placement = before.state === "unassigned"
      ? { state: "unassigned", epoch }
      : { state: "restoring", owner: before.owner, epoch };
    view.set(key, json(given));
  }
  return next;
}

/** An epoch above those of all parts of a kind, in any division. */
function nextEpoch(view: RecordView, kind: PlacedKind): number {
  const epochs = view.entries(`${kind}/`).map(([key]) =>
    records.placement(view, key as PlacedKey).epoch
  );
  return 1 + Math.max(0, ...epochs);
}

function divisionOf({ sharding, dealing }: MeshIdentity, parts: CountedParts): number {
  return parts === "shards" ? sharding : dealing;
}

function identityOf(view: RecordView): MeshIdentity {
  return present(records.identity(view), "a mesh is opened before its shards change");
}

function trainerKeys(trainers: number): PlacedKey[] {
  return Array.from({ length: trainers }, (_, trainer): PlacedKey => `trainer/${trainer}`);
}
