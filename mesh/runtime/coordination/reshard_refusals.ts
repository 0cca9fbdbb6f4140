/**
 * The reasons against a change of the number of shards, of trainers or of partitions, from the
 * mesh's records.
 */
import { type HostRecord, isSameRun, type MeshIdentity } from "../../ports/coordination.ts";
import { describe } from "../../ports/coordination_errors.ts";
import type { RecordView } from "../../ports/record_store.ts";
import { type ReshardStep, reshardStep } from "../../ports/reshard_progress.ts";
import {
  changeWords,
  PARTITIONS_MAX,
  type ReshardRecord,
  type ReshardRequest,
  SHARDS_MAX,
  SHARDS_MIN,
} from "../../ports/resharding.ts";
import { placedKeys, records, shardKeys } from "./record_keys.ts";

type Request = Omit<ReshardRequest, "version">;

/** Why a number of parts cannot change now, with the remedy; undefined where it can. */
export function reasonAgainst(
  view: RecordView,
  identity: MeshIdentity,
  request: Request,
): string | undefined {
  const before = records.reshard(view);
  if (before?.state === "asked") {
    return `a change ${changeWords(before)} is under way already; wait for it, or end it by ` +
      "cairn cancel";
  }
  return reasonAgainstNumber(view, identity, request) ??
    (request.override === undefined ? reasonToWait(view, identity, before) : undefined);
}

function reasonAgainstNumber(
  view: RecordView,
  identity: MeshIdentity,
  request: Request,
): string | undefined {
  const { parts, to } = request;
  if (parts === "partitions") return reasonAgainstPartitions(view, identity, request);
  const [least, most] = parts === "shards"
    ? [SHARDS_MIN, SHARDS_MAX]
    : [1, identity.examplePartitions];
  if (!Number.isInteger(to) || to < least || to > most) {
    const why = parts === "shards" ? "" : ", the number of partitions that they share out";
    return `found ${to}, expected a whole number from ${least} to ${most}${why}`;
  }
  if (to === identity[parts]) return `the mesh has ${to} ${parts} already`;
  const hosts = records.hosts(view);
  if (!hosts.some(({ roles }) => roles.includes("trainer"))) {
    return "no host with the role trainer, which takes the snapshot, is up; start one";
  }
  const role = parts === "shards" ? "shards" : "trainer";
  if (!hosts.some(({ roles, state }) => roles.includes(role) && state === "up")) {
    return `no host with the role ${role} is up and not draining; start another one, or end a ` +
      "drain by cairn undrain";
  }
  return parts === "shards" ? reasonAgainstSharding(view, identity, hosts) : undefined;
}

/**
 * Why the change before stands against another one; undefined where it is done. Its steps are known
 * from its record alone, whose place the next one takes, and each division that a serving host has
 * not left yet costs it a set of replicas.
 */
function reasonToWait(
  view: RecordView,
  identity: MeshIdentity,
  before: ReshardRecord | undefined,
): string | undefined {
  const step = reshardStepOf(view, identity, before);
  if (before === undefined || step?.kind !== "restoring" && step?.kind !== "serving") {
    return undefined;
  }
  const left = step.kind === "serving"
    ? `${step.hosts.join(", ")} ${step.hosts.length > 1 ? "have" : "has"} not changed over`
    : "not every part of it is there";
  return `the change ${changeWords(before)} has begun and is not done (${left}); ` +
    "wait until cairn status says that it is";
}

/** The step that a change has reached. */
export function reshardStepOf(
  view: RecordView,
  identity: MeshIdentity,
  reshard: ReshardRecord | undefined,
): ReshardStep | undefined {
  return reshardStep({
    reshard,
    identity,
    placements: new Map(placedKeys(identity).map((key) => [key, records.placement(view, key)])),
    hosts: new Map(records.hosts(view).map((host) => [host.host, host])),
    nowMs: view.nowMs,
  });
}

function reasonAgainstPartitions(
  view: RecordView,
  identity: MeshIdentity,
  { to, examples = 0, trainers = identity.trainers }: Request,
): string | undefined {
  const { eventPartitions, examplePartitions } = identity;
  const isCount = (count: number) =>
    Number.isInteger(count) && count >= 1 && count <= PARTITIONS_MAX;
  if (!isCount(to) || !isCount(examples) || examples % to !== 0) {
    return `found ${to} partitions of the event log and ${examples} of the example log, expected ` +
      `numbers from 1 to ${PARTITIONS_MAX} of which the second is a multiple of the first`;
  }
  if (to === eventPartitions && examples === examplePartitions) {
    return "the mesh has these partitions already";
  }
  if (!Number.isInteger(trainers) || trainers < 1) {
    return `found ${trainers} trainers, expected a whole number from 1 on`;
  }
  if (trainers > examples) {
    return `each of ${trainers} trainers needs a partition of the example log, found ${examples}: ` +
      "lower trainer.count, or raise trainer.partitions";
  }
  const hosts = records.hosts(view);
  for (const role of ["joiner", "trainer"]) {
    if (hosts.some(({ roles, state }) => roles.includes(role) && state === "up")) continue;
    return `no host with the role ${role} is up and not draining; start one, or end a drain by ` +
      "cairn undrain";
  }
  for (const key of placedKeys(identity).filter((each) => each.startsWith("events/"))) {
    const placement = records.placement(view, key);
    if (placement.state === "active") continue;
    return `${key} is ${describe(placement)}; wait until cairn status shows every joiner active`;
  }
  return undefined;
}

/** A change of shards takes all of them from their owners, so none may be on its way. */
function reasonAgainstSharding(
  view: RecordView,
  identity: MeshIdentity,
  hosts: readonly HostRecord[],
): string | undefined {
  const silent = hosts.find(({ expiresMs }) => expiresMs <= view.nowMs);
  if (silent !== undefined) {
    return `host "${silent.host}" does not renew its lease; start it, or wait until its parts are ` +
      "on other hosts";
  }
  for (const key of shardKeys(identity.shards)) {
    const placement = records.placement(view, key);
    const isOwned = placement.state === "active" &&
      hosts.some((host) => isSameRun(host, placement.owner));
    if (!isOwned) {
      return `${key} is ${describe(placement)}; wait until cairn status shows every shard active`;
    }
  }
  const plan = records.plan(view)?.document as { readonly state?: string } | undefined;
  if (plan?.state === "active") {
    return "a plan of moves is under way; wait for its end, or end it by cairn cancel";
  }
  return undefined;
}
