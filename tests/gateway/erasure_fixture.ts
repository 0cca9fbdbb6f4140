/**
 * A gateway that erases, over stores in memory and doubles of the other parts.
 */
import { Erasures } from "../../gateway/erasure/erasures.ts";
import type { ErasureParts } from "../../gateway/erasure/erasure_parts.ts";
import { GatewayMemory } from "../../gateway/memory/gateway_memory.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { writeTrainerErasure } from "../../records/erasure.ts";
import { decodeEvent } from "../../records/event_record.ts";
import { FORMAT, writeManifest } from "../../records/snapshot_manifest.ts";
import type { ShardPart } from "../../records/snapshot_parts.ts";
import { UnfinishedBlobStore } from "../unfinished_blob_store.ts";
import { fixtureOptions, gatewayFixture, json, startMs } from "./fixture.ts";

/** Name of the trainer. */
export const SOURCE = "trainer/0";
/** A part of a snapshot without content. */
export const PART = { name: "snapshots/000000000000001/x", bytes: 0, checksum: 0 };

export async function erasureFixture(more: Partial<ErasureParts> = {}) {
  const clock = new VirtualClock({ startMs });
  const eventLog = new MemoryEventLog({ name: "events", partitions: 2 });
  const exampleLog = new MemoryEventLog({ name: "examples", partitions: 1 });
  const [blobs, profiles] = [new UnfinishedBlobStore(), new MemoryProfileStore(clock)];
  const feed = { roundsComplete: 7 };
  const memory = new GatewayMemory(clock, fixtureOptions);
  const telemetry = new TelemetryRecorder();
  const parts: ErasureParts = {
    ...{ eventLog, exampleLog, blobs, profiles, memory, clock, telemetry },
    partitionings: () => [{ events: 2, examples: 1 }],
    keepers: [],
    rowFeeds: () => Promise.resolve(new Map([["", { ask: () => Promise.resolve(feed) } as never]])),
    random: new SeededRandom(3),
    options: fixtureOptions,
    ...more,
  };
  const erasures = new Erasures(parts);
  await erasures.start();
  const gateway = gatewayFixture({ clock, eventLog, profiles, memory, erasures });
  /** Kinds of the records in a partition. */
  const kinds = async (partition = 0) =>
    (await eventLog.read(partition, 0, 1_000)).map(({ bytes }) => decodeEvent(bytes).kind);
  /** Lets the steps of some seconds pass. */
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      await clock.advance(1_000);
      for (let turn = 0; turn < 40; turn++) await Promise.resolve();
    }
  };
  /** A trainer removes the rows, in the n-th chunk of the log. */
  const learn = async (erasureId: string, which: 1 | 2) => {
    const offset = await exampleLog.append(0, [Uint8Array.of(which)]);
    await writeTrainerErasure(blobs, erasureId, which, {
      ...{ source: SOURCE, partition: 0, offset, sequence: 10 + which, atMs: clock.nowMs() },
      ...{ rowsRemoved: 2 - which, crosses: [], quarantined: 0 },
    });
  };
  const snapshot = (number: number, sequence: number, shards: readonly ShardPart[] = []) =>
    writeManifest(blobs, {
      format: FORMAT,
      name: `snapshots/00000000000000${number}`,
      atMs: number,
      trainers: [
        {
          source: SOURCE,
          sequence,
          partition: 0,
          offset: 0,
          learnedThroughMs: 0,
          checkpoint: PART,
        },
      ],
      shards,
    });
  /** Erases a user from the rows of training and serving; resolves with the id of the receipt. */
  const eraseLearned = async (): Promise<string> => {
    const { request: { erasureId } } = await erasures.erase("ann");
    await pass(4);
    await learn(erasureId, 1);
    await learn(erasureId, 2);
    await pass(1);
    feed.roundsComplete += 4;
    return erasureId;
  };
  /** Erases a user from everything but the snapshots; resolves with the id of the receipt. */
  const eraseBesidesSnapshots = async (): Promise<string> => {
    const erasureId = await eraseLearned();
    await pass(1);
    for (const partition of [0, 1]) await eventLog.trim(partition, 2);
    await exampleLog.trim(0, 2);
    return erasureId;
  };
  /** The status of a receipt, and the names of the snapshots that hold the user. */
  const receipt = async (erasureId: string): Promise<[string, ...string[]]> => {
    const { status, holds } = await json(gateway.app.request(`/v1/erasures/${erasureId}`));
    return [status, ...holds.map(({ name }: { name: string }) => name)];
  };
  return {
    ...{ ...parts, feed, telemetry, eventLog, exampleLog, blobs, clock },
    eraseLearned,
    eraseBesidesSnapshots,
    receipt,
    erasures,
    gateway,
    kinds,
    pass,
    learn,
    snapshot,
  };
}
