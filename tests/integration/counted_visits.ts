/**
 * Visits of users who each act once, and the examples that these make, so that a test can see
 * whether every event is one example.
 */
import assert from "node:assert/strict";
import { RedisEventLog } from "../../mesh/adapters/redis/redis_event_log.ts";
import { RedisServer } from "../../mesh/adapters/redis/redis_server.ts";
import { decodeEvent } from "../../records/event_record.ts";
import { decodeExamples } from "../../records/example_chunk.ts";
import type { Client } from "./small_mesh.ts";

/** All records of a log, of all partitions. */
async function recordsOf(url: string, name: "events" | "examples"): Promise<Uint8Array[]> {
  const server = await RedisServer.open({ url, mesh: "shop" });
  const log = await RedisEventLog.open({
    server,
    name,
    partitions: 1,
    keepsPartitions: true,
    bytesMax: 2 ** 30,
    writer: "test",
  });
  try {
    const records: Uint8Array[] = [];
    for (let partition = 0; partition < log.partitions; partition++) {
      records.push(...(await log.read(partition, 0, 1e6)).map(({ bytes }) => bytes));
    }
    return records;
  } finally {
    await log.close();
    server.close();
  }
}

/** The id of the user of each example. */
export async function usersOfExamples(url: string): Promise<bigint[]> {
  return (await recordsOf(url, "examples")).flatMap((bytes) => {
    const { rows, ids, listOffsets } = decodeExamples(bytes);
    if (rows === 0) return [];
    const all = new BigUint64Array(ids.slice().buffer);
    const offsets = new Uint32Array(listOffsets.slice().buffer);
    const slots = (offsets.length - 1) / rows;
    return Array.from({ length: rows }, (_, row) => all[offsets[row * slots]]);
  });
}

/** The id of each event in the event log, whose records may not be trimmed. */
export async function loggedEvents(url: string): Promise<string[]> {
  return (await recordsOf(url, "events")).map(decodeEvent)
    .flatMap((record) => record.kind === "action" ? [record.eventId] : []);
}

/** Longest wait for visits, ms. */
const PATIENCE_MS = 60_000;

/** The pause between two visits: without it, visits would take the cores that the hosts need. */
export function pauseOfVisitors(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

/**
 * Lets one user after another act once, until told to stop.
 *
 * @param isMonotonic Whether the scores of one user may never be older than those before.
 * @param mayRepeat Whether the client sends an event again where it did not hear the answer.
 */
export function visits(client: Client, { isMonotonic = false, mayRepeat = false } = {}) {
  let stopped = false;
  let accepted = 0;
  let newestMs = 0;
  let freshestMs = 0;
  const done = (async () => {
    while (!stopped) {
      if (isMonotonic) {
        // One user, who never acts: those of others are in several shards, whose marks do not come
        // at one moment.
        const { learnedThroughMs } = await client.rank("watcher", ["left", "right"]);
        assert.ok(
          learnedThroughMs >= freshestMs,
          `scores that had learned through ${freshestMs} went back to ${learnedThroughMs}`,
        );
        freshestMs = learnedThroughMs;
      }
      const { rankingId } = await client.rank(`user-${accepted}`, ["left", "right"]);
      const [{ status, acceptedAtMs }] = await client.post([
        { eventId: `e-${accepted}`, rankingId, item: "right", action: "click" },
      ]);
      if (!mayRepeat || status !== "duplicate") assert.equal(status, "accepted");
      accepted++;
      newestMs = Math.max(newestMs, acceptedAtMs);
      await pauseOfVisitors();
    }
    return { accepted, newestMs };
  })();
  done.catch(() => {});
  return {
    get accepted() {
      return accepted;
    },
    /** Time of the newest accepted event, ms. */
    get newestMs() {
      return newestMs;
    },
    /** Rejects as soon as a visit fails. */
    done,
    /** Resolves after so many further visits; rejects as soon as a visit fails. */
    async further(count: number) {
      const [enough, deadlineMs] = [accepted + count, performance.now() + PATIENCE_MS];
      while (accepted < enough) {
        assert.ok(performance.now() < deadlineMs, `not ${count} visits within ${PATIENCE_MS} ms`);
        await Promise.race([done, pauseOfVisitors()]);
      }
    },
    async stop() {
      stopped = true;
      return await done;
    },
  };
}

/** Ends the visits, and waits until every accepted event is one example that is learned. */
export async function assertEachLearnedOnce(
  visiting: Pick<ReturnType<typeof visits>, "stop">,
  client: Client,
  url: string,
): Promise<void> {
  const { accepted, newestMs } = await visiting.stop();
  await client.rankFresh("user-0", ["left", "right"], newestMs);
  const users = await usersOfExamples(url);
  assert.equal(users.length, accepted, "examples");
  assert.equal(new Set(users).size, accepted, "users of examples");
}
