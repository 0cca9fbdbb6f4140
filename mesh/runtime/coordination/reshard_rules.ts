/**
 * Rules for a change of the number of shards: pure functions over the mesh's records.
 *
 * Between two shardings nothing is owned by two hosts: the step that begins the new one takes every
 * shard from its owner and gives each trainer the next epoch. The rows are those of the newest
 * snapshot, from which the controller has the new shards restored as after the loss of their hosts.
 */
import type {
  HostRecord,
  HostRun,
  MeshIdentity,
  PlacedKey,
  Placement,
} from "../../ports/coordination.ts";
import { describe, PlanConflictError } from "../../ports/coordination_errors.ts";
import {
  type ReshardRecord,
  ReshardRefusedError,
  type ReshardRequest,
  SHARDS_MAX,
  SHARDS_MIN,
} from "../../ports/resharding.ts";
import type { RecordView } from "../../ports/record_store.ts";
import { present } from "../../../structures/invariant.ts";
import { liveRun } from "./host_rules.ts";
import { isSameRun, json, raiseCounts, recordKeys, records } from "./record_keys.ts";

/** Asks for another number of shards; see {@link Coordination.askReshard}. */
export function askReshard(
  view: RecordView,
  { shards, version }: ReshardRequest,
): ReshardRecord {
  const identity = identityOf(view);
  const before = records.reshard(view);
  const isAsked = before?.state === "asked";
  if (isAsked && before.to === shards) return before;
  const counts = records.counts(view);
  if (version !== undefined && version !== counts.version) {
    throw new PlanConflictError(`the mesh is at version ${counts.version}, not ${version}`);
  }
  const refusal = isAsked
    ? `a change to ${before.to} shards is under way already; wait for it, or end it by cairn cancel`
    : reasonAgainst(view, identity, shards);
  if (refusal !== undefined) throw new ReshardRefusedError(refusal);
  const record: ReshardRecord = {
    sharding: identity.sharding + 1,
    from: identity.shards,
    to: shards,
    state: "asked",
  };
  view.set(recordKeys.reshard, json(record));
  return record;
}

/** Ends a change that has not begun; see {@link Coordination.cancelReshard}. */
export function cancelReshard(view: RecordView): ReshardRecord {
  const before = records.reshard(view);
  if (before?.state === "cancelled") return before;
  if (before === undefined) throw new ReshardRefusedError("no change was asked for");
  if (before.state === "begun") {
    throw new ReshardRefusedError(
      `the change from ${before.from} to ${before.to} shards has begun and is carried to its end; ` +
        `cairn reshard --shards ${before.from} goes back afterwards`,
    );
  }
  const record: ReshardRecord = { ...before, state: "cancelled" };
  view.set(recordKeys.reshard, json(record));
  return record;
}

/** Begins the sharding that was asked for; see {@link Coordination.beginSharding}. */
export function beginSharding(view: RecordView, run: HostRun, sharding: number): MeshIdentity {
  liveRun(view, run);
  const identity = identityOf(view);
  const asked = records.reshard(view);
  // The answer to an earlier sending was lost.
  if (asked?.state === "begun" && identity.sharding === sharding) return identity;
  if (asked?.state !== "asked" || asked.sharding !== sharding) {
    throw new ReshardRefusedError(`sharding ${sharding} is not asked for any more`);
  }
  const moving = shardKeys(identity.shards)
    .find((key) => records.placement(view, key).state === "moving");
  if (moving !== undefined) throw new ReshardRefusedError(`${moving} moves; it begins afterwards`);
  const next: MeshIdentity = { ...identity, shards: asked.to, sharding };
  view.set(recordKeys.identity, json(next));
  for (const key of shardKeys(Math.max(asked.from, asked.to))) {
    const { epoch } = records.placement(view, key);
    const placement: Placement = { state: "unassigned", epoch: epoch + 1 };
    view.set(key, json(placement));
  }
  for (let trainer = 0; trainer < identity.trainers; trainer++) {
    const key: PlacedKey = `trainer/${trainer}`;
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
  view.set(recordKeys.reshard, json({ ...asked, state: "begun" }));
  raiseCounts(view, { rewind: true });
  return next;
}

function identityOf(view: RecordView): MeshIdentity {
  return present(records.identity(view), "a mesh is opened before its shards change");
}

function shardKeys(shards: number): PlacedKey[] {
  return Array.from({ length: shards }, (_, shard): PlacedKey => `shard/${shard}`);
}

/** Why the number cannot change now, with the remedy; undefined where it can. */
function reasonAgainst(
  view: RecordView,
  identity: MeshIdentity,
  shards: number,
): string | undefined {
  if (!Number.isInteger(shards) || shards < SHARDS_MIN || shards > SHARDS_MAX) {
    return `found ${shards}, expected a whole number from ${SHARDS_MIN} to ${SHARDS_MAX}`;
  }
  if (shards === identity.shards) return `the mesh has ${shards} shards already`;
  const hosts = records.hosts(view);
  const silent = hosts.find(({ expiresMs }) => expiresMs <= view.nowMs);
  if (silent !== undefined) {
    return `host "${silent.host}" does not renew its lease; start it, or wait until its parts are ` +
      "on other hosts";
  }
  if (!hosts.some(({ roles }) => roles.includes("sync"))) {
    return "the host with the role sync, which takes the snapshot, is not up; start it";
  }
  if (!hosts.some(({ roles, state }) => roles.includes("shards") && state === "up")) {
    return "every host with the role shards is draining; start another one, or end a drain by " +
      "cairn undrain";
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
