/**
 * Goal: a shard waits for the rows of a small snapshot, however long they take; with a large one
 * it serves the rows that are loaded, and learns when all are. Method: a shard restarts, and the
 * store gives a chunk of its snapshot in three seconds.
 */
import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import { findNewest } from "../../../actors/embedding_shard/shard_restore.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import { present } from "../../../structures/invariant.ts";
import { Loop } from "../loop.ts";

const BUDGET = { budgetMs: 1_000 };
const CHUNK_MS = 3_000;

/** A loop whose shard has learned rows, which a snapshot has. */
async function learned({ awaitedBytesMax = 0 } = {}) {
  const loop = await Loop.start({
    shards: 1,
    awaitedBytesMax,
    joiner: { lingerMs: 10 },
    trainer: { batchRows: 8, shardBudgetMs: 100 },
  });
  const visit = async (user: number) => {
    const { rankingId } = await loop.rank(`user-${user}`, [`item-${user}`]);
    await loop.act(rankingId, `item-${user}`, "click");
  };
  for (let user = 0; user < 100; user++) await visit(user);
  await loop.mesh.advance(1_000);
  await loop.snapshot();
  return { loop, visit };
}

/** A loop whose shard restarts from its snapshot. */
async function restarted(
  { damages = false, withoutFeed = false, awaitedBytesMax = 0 } = {},
) {
  const { loop, visit } = await learned({ awaitedBytesMax });
  const shard = loop.mesh.node().actorRef<EmbeddingShardMessage>("embedding_shard/0");
  const replica = loop.mesh.node().actorRef<ServingReplicaMessage>("serving_replica/0");
  const held = () => loop.mesh.settle(shard.ask({ kind: "getStatistics" }, BUDGET));
  const served = () => loop.mesh.settle(replica.ask({ kind: "getStatistics" }, BUDGET));
  const { rows } = await held();
  const { blobs, mesh: { clock } } = loop;
  const get = blobs.get.bind(blobs);
  blobs.get = async (name) => {
    const bytes = await get(name);
    const [, chunk] = /chunk-(\d+)$/.exec(name) ?? [];
    if (chunk === undefined) return bytes;
    await clock.delay((1 + Number(chunk)) * CHUNK_MS);
    return damages && Number(chunk) > 0 ? bytes?.subarray(1) : bytes;
  };
  if (withoutFeed) await loop.mesh.settle(loop.mesh.node().stopActor("row_feed/0", 0));
  await loop.restart("embedding_shard/0");
  return { loop, rows, shard, held, served, visit };
}

Deno.test("empty replicas get the rows that are loaded, and rankings go on", async () => {
  const { loop, rows, held, served, visit } = await restarted();
  await loop.restart("serving_replica/0");
  const atOnce = await held();
  assert.deepEqual([atOnce.rows, atOnce.loadedShare], [0, 0]);
  await loop.mesh.advance(CHUNK_MS + 200);
  const { rows: first, loadedShare } = await held();
  assert.ok(first > 0 && first < rows, `${first}`);
  assert.ok(loadedShare > 0 && loadedShare < 1);
  assert.equal((await served()).rows, first, "the rows of the first chunk");
  await visit(7);
  await loop.mesh.advance(20 * CHUNK_MS);
  assert.deepEqual((await held()).loadedShare, 1);
  assert.ok((await served()).rows >= rows);
  await loop.stop();
});

Deno.test("an empty replica serves at once where the load ended before its feed looked", async () => {
  const { loop, rows, held, served } = await restarted({ withoutFeed: true });
  await loop.mesh.advance(60 * CHUNK_MS);
  await loop.restart("serving_replica/0");
  const { loadedShare, owesLoadedRows } = await held();
  assert.deepEqual([loadedShare, owesLoadedRows], [1, true]);
  await loop.restart("row_feed/0");
  await loop.mesh.advance(1_000);
  assert.equal((await held()).owesLoadedRows, false);
  assert.equal(
    (await loop.feedStatus()).deltas,
    1,
    "the replica began empty; no fill kept it waiting",
  );
  assert.equal((await served()).rows, (await held()).rows);
  assert.ok((await served()).rows >= rows);
  await loop.stop();
});

Deno.test("a replica with rows serves them until its shard has all, and then takes those", async () => {
  const { loop, rows, shard, held, served } = await restarted();
  const { position: before } = await served();
  for (let chunk = 0; chunk < 3; chunk++) {
    assert.ok((await served()).rows >= rows, `after ${chunk} chunks`);
    await loop.mesh.advance(CHUNK_MS / 2);
  }
  await loop.mesh.advance(20 * CHUNK_MS);
  assert.equal((await served()).rows, (await held()).rows);
  const { position } = await loop.mesh.settle(
    shard.ask({ kind: "takeDeltas", taker: "test", position: undefined, rowsMax: 1 }, BUDGET),
  );
  assert.notEqual(position.lineage, before?.lineage);
  assert.equal((await served()).position?.lineage, position.lineage);
  await loop.stop();
});

Deno.test("a replica that starts while its shard loads ranks at once, and lacks no row later", async () => {
  const { loop, held, served } = await restarted();
  await loop.restart("serving_replica/0");
  await loop.mesh.advance(CHUNK_MS + 500);
  assert.ok((await served()).rows > 0);
  await loop.restart("serving_replica/0");
  await loop.mesh.advance(500);
  assert.ok((await held()).loadedShare < 1);
  assert.notEqual((await served()).position, undefined, "lookups are answered");
  await loop.mesh.advance(20 * CHUNK_MS);
  assert.equal((await served()).rows, (await held()).rows);
  await loop.stop();
});

Deno.test("events are learned from when all rows are loaded, each once", async () => {
  const { loop, visit } = await restarted();
  const learned = () => loop.mesh.telemetry.value("cairn_trainer_rows_learned", { partition: "0" });
  const before = learned();
  for (let user = 0; user < 5; user++) await visit(user);
  await loop.mesh.advance(CHUNK_MS);
  assert.equal(learned(), before, "the trainer waits for its shard");
  await loop.mesh.advance(20 * CHUNK_MS);
  assert.equal(learned(), before + 5);
  await loop.stop();
});

Deno.test("a trainer that starts does not wait again for a shard that loads", async () => {
  const { loop, held } = await restarted();
  const { clock } = loop.mesh;
  const beganMs = clock.monotonicMs();
  await loop.restart("trainer/0");
  assert.ok(clock.monotonicMs() - beganMs < 100, `${clock.monotonicMs() - beganMs} ms`);
  assert.ok((await held()).loadedShare < 1);
  await loop.stop();
});

Deno.test("what needs all rows waits or is refused while a shard loads", async () => {
  const { loop, shard } = await restarted();
  const opening = shard.ask({ kind: "openSource", source: "other" }, { budgetMs: 60_000 });
  let opened = false;
  opening.then(() => opened = true);
  await assert.rejects(
    loop.mesh.settle(shard.ask({ kind: "beginSnapshot", snapshot: "s", marks: [] }, BUDGET)),
    /embedding_shard\/0 cannot beginSnapshot before its rows are loaded: try again later/,
  );
  assert.equal(opened, false);
  await loop.mesh.settle(opening);
  await loop.stop();
});

Deno.test("a shard that stops while it loads refuses at once what waits for its rows", async () => {
  const { loop, shard } = await restarted();
  const open = (source: string) =>
    shard.ask({ kind: "openSource", source }, { budgetMs: 60_000 }).catch((error) => error.message);
  const waiting = open("early");
  await loop.mesh.advance(10);
  const late = open("late");
  const beganAtMs = loop.mesh.clock.monotonicMs();
  const ended = loop.mesh.node().stopActor("embedding_shard/0", 5_000);
  assert.equal(await loop.mesh.settle(ended), 0);
  assert.equal(loop.mesh.clock.monotonicMs() - beganAtMs, 0);
  for (const refusal of [await waiting, await late]) {
    assert.match(refusal, /embedding_shard\/0 cannot openSource before its rows are loaded/);
  }
  await loop.stop();
});

Deno.test("a chunk that is found damaged while its shard serves is named in the log", async () => {
  const { loop } = await restarted({ damages: true });
  await loop.mesh.advance(120_000);
  const given = loop.mesh.telemetry.lines.filter(({ message }) =>
    message.startsWith("embedding_shard/0 crashes again and again")
  );
  assert.match(
    String(given[0]?.fields.reason),
    /shard-0\/chunk-00001: it has \d+ bytes instead of/,
  );
  await loop.stop();
});

Deno.test("a shard waits for the rows of a small snapshot, however long they take", async () => {
  const { loop, rows, held, served } = await restarted({ awaitedBytesMax: Infinity });
  const { rows: loaded, loadedShare, owesLoadedRows } = await held();
  assert.deepEqual([loaded, loadedShare, owesLoadedRows], [rows, 1, false]);
  await loop.restart("serving_replica/0");
  await loop.mesh.advance(500);
  assert.equal((await served()).rows, rows);
  await loop.stop();
});

Deno.test("the first ranking after a start from a small snapshot uses its rows, however slow the store", async () => {
  const { loop } = await restarted({ awaitedBytesMax: Infinity, withoutFeed: true });
  const rank = async () => {
    const { items } = await loop.rank("user-1", Array.from({ length: 9 }, (_, i) => `item-${i}`));
    return items.map(({ id, score, cold }) => ({ id, score, cold }));
  };
  const before = await rank(); // by the rows that the replica had before
  assert.ok(before.every(({ cold }) => !cold));
  for (const actor of ["serving_replica/0", "row_feed/0", "scorer/0"] as const) {
    await loop.restart(actor);
  }
  let first: typeof before | undefined;
  while (first === undefined) { // a scorer that starts refuses rankings until its replica has rows
    first = await rank().catch(() => undefined);
    await loop.mesh.advance(1);
  }
  assert.deepEqual(first, before);
  await loop.stop();
});

Deno.test("a start waits for a snapshot up to its limit of bytes, of all shards together", async () => {
  const { loop } = await learned();
  const { eventLog, exampleLog, blobs } = loop;
  const { bytes } = present(await findNewest(blobs), "a snapshot was taken");
  await loop.stop();
  const startMs = loop.mesh.clock.nowMs();
  const start = (awaitedBytesMax: number, shards: number) =>
    Loop.start({
      ...loop.options,
      ...{ seed: 2, startMs, shards, awaitedBytesMax },
      storage: { eventLog, exampleLog, blobs },
    });
  for (const shards of [1, 3]) {
    for (const [limit, isAwaited] of [[bytes, true], [bytes - 1, false]] as const) {
      const again = await start(limit, shards);
      const early = again.mesh.telemetry.lines.filter(({ message }) =>
        message.endsWith("serves what is loaded")
      );
      assert.equal(early.length, isAwaited ? 0 : shards, `${limit} bytes, ${shards} shards`);
      await again.stop();
    }
  }
});

Deno.test("damage of a small snapshot is found before the shard serves", async () => {
  await assert.rejects(
    restarted({ damages: true, awaitedBytesMax: Infinity }),
    /cannot start: .*shard-0\/chunk-00001: it has \d+ bytes instead of/,
  );
});
