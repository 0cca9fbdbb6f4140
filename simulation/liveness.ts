/**
 * The work that a healed world still has to do. The first thing that is pending is the message of a
 * liveness failure.
 */
import type { EmbeddingShardMessage } from "../actors/embedding_shard/protocol.ts";
import type { FeatureKeeperMessage } from "../actors/feature_keeper/protocol.ts";
import type { ParameterSyncMessage } from "../actors/parameter_sync/protocol.ts";
import type { ScorerMessage } from "../actors/scorer/protocol.ts";
import type { ServingReplicaMessage } from "../actors/serving_replica/protocol.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";
import type { RunningMesh } from "../server/compose.ts";
import { addresses } from "../server/addresses.ts";
import { ServingReplicas } from "../server/serving_replicas.ts";
import { endOffsets, type EventLog } from "../mesh/ports/event_log.ts";
import { decodeEvent } from "../records/event_record.ts";
import { decodeExamples, nextRowOf } from "../records/example_chunk.ts";
import type { ProcessWorld } from "./world/process_world.ts";

const BUDGET = { budgetMs: 5_000 };
/** Budget within which several trainers can always write their parts of a snapshot, ms. */
const CUT_BUDGET_MS = 5_000;
/** For so long no actor may have been restarted, ms. */
const STEADY_MS = 1_000;
/** A snapshot of all rows is waited for where one is taken this often, ms. */
const SNAPSHOT_INTERVAL_MS_MAX = 15_000;
/** Chunks among which the newest one with rows is looked for. */
const CHUNKS_READ = 256;
/** Records of the event log among which the newest event is looked for. */
const RECORDS_READ = 256;

/** The pending work in words; undefined when everything has come through. */
export async function pendingIn(world: ProcessWorld): Promise<string | undefined> {
  if (world.isRestarting) return "the process is being restarted";
  const running = world.process?.running;
  if (running === undefined) return "the process has not started";
  const { actor, atMs } = world.lastBegun;
  if (atMs + STEADY_MS > world.clock.monotonicMs()) return `${actor} was restarted just now`;
  try {
    return await pendingOf(running, world.disk.logs);
  } catch (error) {
    return `no answer: ${reasonOf(error)}`;
  }
}

/** The ends of the stored logs, read without the processes. */
export interface LogsAtRest {
  /** The end of a partition and its last record. */
  partition(
    log: string,
    partition: number,
  ): { readonly durable: number; readonly last: Uint8Array | undefined };
}

/**
 * The pending work of a mesh, seen from one serving process.
 *
 * @param host Undefined = the only process.
 */
export async function pendingOf(
  running: RunningMesh,
  logs: LogsAtRest,
  host?: string,
): Promise<string | undefined> {
  // Asked first: while it writes a snapshot it answers late, and learning goes on meanwhile.
  const snapshots = await running.snapshotter?.ask({ kind: "getStatus" }, BUDGET);
  const joined = await running.joiners.status(BUDGET.budgetMs);
  for (const [partition, offset] of joined.offsets.entries()) {
    const { durable } = logs.partition("events", partition);
    if (offset < durable) return `joiner/${partition} stands at ${offset} of ${durable} events`;
  }
  if (joined.examplesWaiting > 0) {
    return `${joined.examplesWaiting} examples of the joiners are not in the example log`;
  }
  const unread = await unreadByKeepers(running, logs);
  if (unread !== undefined) return unread;

  const { offsets, diverged } = await running.trainers.status();
  if (diverged !== undefined) return `a trainer has diverged: ${diverged}`;
  let decidedMs = Infinity;
  let rowsDecided = 0;
  for (const [partition, offset] of offsets.entries()) {
    const { durable, last } = logs.partition("examples", partition);
    if (offset < durable) {
      return `partition ${partition} of the example log is read to ${offset} of ${durable} chunks`;
    }
    decidedMs = Math.min(decidedMs, last === undefined ? 0 : decodeExamples(last).acceptedAtMs);
    if (last === undefined) continue;
    rowsDecided += await rowsOf(running.stores.exampleLog, partition, durable);
  }
  const { mesh, configuration } = running;
  const { shardCount, sharding } = configuration;
  for (let shard = 0; shard < shardCount; shard++) {
    const owner = mesh.actorRef<EmbeddingShardMessage>(addresses.embeddingShard(shard, sharding));
    const { touched } = await owner.ask({ kind: "getStatistics" }, BUDGET);
    if (touched > 0) return `${touched} rows of embedding_shard/${shard} are not served`;
  }
  for (const { replica } of new ServingReplicas(configuration).heldBy(host)) {
    const held = mesh.actorRef<ServingReplicaMessage>(replica);
    await held.ask({ kind: "getStatistics" }, BUDGET);
  }
  const { learnedThroughMs } = await running.rowFeed.ask({ kind: "getStatus" }, BUDGET);
  if (learnedThroughMs < decidedMs) {
    return `learnedThroughMs is ${learnedThroughMs}, decided through ${decidedMs}`;
  }
  const sync = mesh.actorRef<ParameterSyncMessage>(addresses.parameterSync);
  const { denseVersion } = await sync.ask({ kind: "getStatus" }, BUDGET);
  const scorer = mesh.actorRef<ScorerMessage>(addresses.scorer(host));
  const { modelVersion } = await scorer.ask({ kind: "getModel" }, BUDGET);
  if (modelVersion < denseVersion) {
    return `${scorer.address} serves dense weights ${modelVersion}, not ${denseVersion}`;
  }
  const acceptedMs = await newestAccepted(running.stores.eventLog);
  if (learnedThroughMs < acceptedMs) {
    return `learnedThroughMs is ${learnedThroughMs}, and an event was accepted at ${acceptedMs}`;
  }
  const { storage, trainer, partitions } = configuration;
  // All trainers of a cut write their parts within one budget of the shards.
  const mayCut = partitions.examples === 1 || trainer.shardBudgetMs >= CUT_BUDGET_MS;
  const isDue = storage.kind === "directory" && mayCut &&
    storage.snapshots.interval <= SNAPSHOT_INTERVAL_MS_MAX;
  if (snapshots !== undefined && isDue && snapshots.sequence < rowsDecided) {
    return `the newest snapshot has ${snapshots.sequence} of ${rowsDecided} rows`;
  }
  const ready = await running.fetch(new Request("http://simulated/health/ready"));
  if (ready.status !== 200) return `/health/ready says ${ready.status}: ${await ready.text()}`;
  return undefined;
}

/** The first partition of the event log of which a feature keeper has not read all. */
async function unreadByKeepers(
  { mesh, configuration: { featureKeeper } }: RunningMesh,
  logs: LogsAtRest,
): Promise<string | undefined> {
  for (let keeper = 0; keeper < (featureKeeper?.shards ?? 0); keeper++) {
    const actor = mesh.actorRef<FeatureKeeperMessage>(addresses.featureKeeper(keeper));
    const { offsets } = await actor.ask({ kind: "getStatus" }, BUDGET);
    for (const [partition, offset] of offsets.entries()) {
      const { durable } = logs.partition("events", partition);
      if (offset < durable) {
        return `${actor.address} has read ${offset} of ${durable} records of events/${partition}`;
      }
    }
  }
  return undefined;
}

/** Acceptance time of the newest event among the newest records of all partitions, ms. */
async function newestAccepted(log: EventLog): Promise<number> {
  let newestMs = 0;
  for (const [partition, end] of (await endOffsets(log)).entries()) {
    const records = await log.read(partition, Math.max(0, end - RECORDS_READ), RECORDS_READ);
    for (const { bytes } of records) {
      const record = decodeEvent(bytes);
      if (record.kind === "action") newestMs = Math.max(newestMs, record.acceptedAtMs);
    }
  }
  return newestMs;
}

/**
 * The number after the newest chunk of a partition that has rows or an erasure. Releases may follow
 * it for as long as an erasure waits for a window to end, and no snapshot is owed for them.
 */
async function rowsOf(log: EventLog, partition: number, end: number): Promise<number> {
  const records = await log.read(partition, Math.max(0, end - CHUNKS_READ), CHUNKS_READ);
  const chunks = records.map(({ bytes }) => decodeExamples(bytes));
  const newest = chunks.findLast(({ rows, forget }) => rows > 0 || forget?.length);
  return newest === undefined ? chunks[0]?.firstRow ?? 0 : nextRowOf(newest);
}
