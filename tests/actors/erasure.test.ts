/**
 * Erasure of a user in the whole loop: no part keeps a row, a count or an open ranking of the user,
 * and all others stay as they are.
 */
import assert from "node:assert/strict";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { present } from "../../structures/invariant.ts";
import { decodeExamples } from "../../records/example_chunk.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import { readTrainerErasure } from "../../records/erasure.ts";
import { encodeEvent } from "../../records/event_record.ts";
import { featureIdOf, signatureOf } from "../../records/forgotten.ts";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import type { FeatureKeeperMessage } from "../../actors/feature_keeper/protocol.ts";
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import { rowsOf } from "../../simulation/checkers/shard_rows.ts";
import { holdsBytes } from "../../structures/byte_search.ts";
import { snapshotBits } from "../records/snapshot_bits.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { Loop } from "./loop.ts";
import { RefusingBlobStore } from "./refusing_blob_store.ts";

const BUDGET = { budgetMs: 5_000 };
const USER_SLOT = 1;
const SETTLES_MS = 2_000;
const items = Array.from({ length: 4 }, (_, i) => `item-${i}`);
const idOf = (user: string) => featureIdOf(USER_SLOT, signatureOf(user));

async function visit(loop: Loop, user: string): Promise<string> {
  const { rankingId } = await loop.rank(user, items);
  await loop.act(rankingId, items[0], "click");
  return rankingId;
}

/** Weights of all rows of a shard, by id. */
async function shardRows(loop: Loop): Promise<Map<bigint, string>> {
  const rows = new Map<bigint, string>();
  for (let shard = 0; shard < loop.shards; shard++) {
    const address: Address = `embedding_shard/${shard}`;
    const ref = loop.mesh.node().actorRef<EmbeddingShardMessage>(address);
    const read = async () => {
      for await (const page of rowsOf(ref)) {
        const width = page.rows.length / Math.max(1, page.ids.length);
        page.ids.forEach((id, i) => {
          rows.set(id, [...page.rows.subarray(i * width, (i + 1) * width)].join());
        });
      }
    };
    await loop.mesh.settle(read());
  }
  return rows;
}

/** Whether a serving replica has a row of the id. */
async function isServed(loop: Loop, id: bigint): Promise<boolean> {
  for (let shard = 0; shard < loop.shards; shard++) {
    const address: Address = `serving_replica/${shard}`;
    const replica = loop.mesh.node().actorRef<ServingReplicaMessage>(address);
    const starts = Uint32Array.of(0, 1);
    const message = { kind: "lookup", ids: BigUint64Array.of(id), starts } as const;
    const { found } = await loop.mesh.settle(replica.ask(message, BUDGET));
    if (found[0] === 1) return true;
  }
  return false;
}

Deno.test("an erased user has no row in any shard or replica, and every other row keeps its bits", async () => {
  const loop = await Loop.start({ trainer: { batchRows: 8 } });
  for (const user of ["ann", "bob", "ann", "eve"]) await visit(loop, user);
  await loop.mesh.advance(SETTLES_MS);
  // Nothing is open: the erasure drops no example that another row would learn from.
  await loop.erase("nobody", "unknown");
  await loop.mesh.advance(12_000);
  await visit(loop, "zoe"); // moves the data clock, which closes the windows
  await loop.mesh.advance(SETTLES_MS);
  await loop.snapshot();
  const before = await snapshotBits(loop.blobs);
  const rows = await shardRows(loop);
  assert.ok(rows.has(idOf("ann")) && await isServed(loop, idOf("ann")));

  await loop.erase("ann", "e1");
  await loop.mesh.advance(SETTLES_MS);
  rows.delete(idOf("ann"));
  assert.deepEqual(await shardRows(loop), rows);
  assert.equal(await isServed(loop, idOf("ann")), false);
  assert.equal(await isServed(loop, idOf("bob")), true);
  await loop.snapshot();
  const after = await snapshotBits(loop.blobs);
  const isOfAnn = (row: string) => row.includes(` ${littleEndian(idOf("ann")).join(" ")} `);
  assert.equal(before.rows.filter(isOfAnn).length, 1);
  assert.deepEqual(after.rows, before.rows.filter((row) => !isOfAnn(row)), "optimizer state too");
  assert.deepEqual(after.trainers[0].model, before.trainers[0].model);

  const erased = await readTrainerErasure(loop.blobs, "e1", 1, "trainer/0");
  assert.equal(erased?.rowsRemoved, 1);
  const unknown = await readTrainerErasure(loop.blobs, "unknown", 1, "trainer/0");
  assert.equal(unknown?.rowsRemoved, 0);
  await loop.stop();
});

Deno.test("shards name the chunk of an erasure, so that a log without it is found to have lost it", async () => {
  const loop = await Loop.start();
  await visit(loop, "ann");
  await loop.erase("ann", "e1");
  await loop.mesh.advance(SETTLES_MS);
  const erasures = (await loop.exampleLog.read(0, 0, 1_000))
    .filter(({ bytes }) => decodeExamples(bytes).forget !== undefined);
  const { offset, bytes } = present(erasures.at(-1), "the erasure is in the log");
  const checksum = BatchKernel.create().crc32c(bytes);
  for (let shard = 0; shard < loop.shards; shard++) {
    const address: Address = `embedding_shard/${shard}`;
    const ref = loop.mesh.node().actorRef<EmbeddingShardMessage>(address);
    const opening = { kind: "openSource", source: gradientSource(0), tenure: 1e6 } as const;
    const { chunk } = await loop.mesh.settle(ref.ask(opening, BUDGET));
    assert.deepEqual(chunk, { offset, checksum });
  }
  await loop.stop();
});

Deno.test("what is open of an erased user gives no example, and events on it teach nothing", async () => {
  const loop = await Loop.start({ trainer: { batchRows: 8 } });
  const ranking = await visit(loop, "ann");
  const kept = await visit(loop, "bob");
  await loop.erase("ann", "e1");
  await loop.act(ranking, items[1], "click");
  await loop.act(kept, items[1], "click");
  await loop.mesh.advance(12_000);
  await visit(loop, "bob");
  await loop.mesh.advance(SETTLES_MS);
  const chunks = await loop.examples();
  const erasedAt = chunks.findIndex(({ forget }) => forget?.length === 1);
  const ids = (from: number, to?: number) => chunks.slice(from, to).map(({ ids }) => ids);
  const ann = littleEndian(idOf("ann"));
  assert.ok(ids(0, erasedAt).some((bytes) => holdsBytes(bytes, ann)), "its click came before");
  assert.ok(ids(erasedAt).every((bytes) => !holdsBytes(bytes, ann)));
  assert.ok(!(await shardRows(loop)).has(idOf("ann")));
  const { impressionsErased, actionsLate, impressionsOpen } = await loop.joinerStatus();
  assert.deepEqual([impressionsErased, actionsLate, impressionsOpen], [1, 1, 1]);
  await loop.stop();
});

Deno.test("an erasure behind a full chunk leaves the joiner without a turn that is due", async () => {
  const loop = await Loop.start({ trainer: { batchRows: 1 } });
  await visit(loop, "ann");
  await loop.mesh.advance(5);
  await loop.erase("ann", "e1");
  await loop.mesh.advance(SETTLES_MS); // a turn that follows another for ever would fail here
  assert.ok(!(await shardRows(loop)).has(idOf("ann")));
  await loop.stop();
});

Deno.test("a user who comes back after the erasure is a new one, and a second erasure removes that too", async () => {
  const loop = await Loop.start({ trainer: { batchRows: 8 } });
  await visit(loop, "ann");
  await loop.erase("ann", "e1");
  await loop.erase("ann", "e2");
  await loop.mesh.advance(SETTLES_MS);
  assert.ok(!(await shardRows(loop)).has(idOf("ann")));
  await visit(loop, "ann");
  await loop.mesh.advance(SETTLES_MS);
  assert.ok((await shardRows(loop)).has(idOf("ann")));
  await loop.erase("ann", "e3");
  await loop.mesh.advance(SETTLES_MS);
  assert.ok(!(await shardRows(loop)).has(idOf("ann")));
  const rows = await Promise.all(
    ["e1", "e2", "e3"].map(async (id) =>
      (await readTrainerErasure(loop.blobs, id, 1, "trainer/0"))?.rowsRemoved
    ),
  );
  assert.deepEqual(rows, [1, 0, 1]);
  await loop.stop();
});

Deno.test("a server that is killed between an erasure and its learning erases after the restart", async () => {
  let loop = await Loop.start({ trainer: { batchRows: 8 } });
  await visit(loop, "ann");
  await visit(loop, "bob");
  await loop.mesh.advance(SETTLES_MS);
  await loop.snapshot();
  await loop.erase("ann", "e1");
  loop = await loop.kill(2);
  await loop.mesh.advance(SETTLES_MS);
  assert.ok(!(await shardRows(loop)).has(idOf("ann")));
  // The snapshot still has the row; the log repeats the erasure.
  loop = await loop.kill(3);
  await loop.mesh.advance(SETTLES_MS);
  const rows = await shardRows(loop);
  assert.ok(!rows.has(idOf("ann")) && rows.has(idOf("bob")));
  assert.equal(await isServed(loop, idOf("ann")), false);
  await loop.stop();
});

Deno.test("with several trainers a row that one learns after the other's erasure goes with its own", async () => {
  const loop = await Loop.start({ trainers: 3, trainer: { batchRows: 4 } });
  for (let i = 0; i < 12; i++) await visit(loop, i % 2 === 0 ? "ann" : "bob");
  await loop.erase("ann", "e1");
  await loop.mesh.advance(SETTLES_MS);
  const rows = await shardRows(loop);
  assert.ok(!rows.has(idOf("ann")) && rows.has(idOf("bob")));
  for (const source of loop.trainers) {
    assert.ok(await readTrainerErasure(loop.blobs, "e1", 1, source), source);
  }
  await loop.stop();
});

Deno.test("a feature keeper drops an erased user, and its checkpoint does so at once", async () => {
  const loop = await Loop.start({
    trainer: { batchRows: 8 },
    kept: {
      features: [{ kind: "history", name: "clicked", of: { action: "click" }, last: 5 }],
      checkpointMs: 3_600_000,
    },
  });
  const keeper = loop.mesh.node().actorRef<FeatureKeeperMessage>("feature_keeper/0");
  const read = async (user: string) => {
    const message = { kind: "readKept", user, items: [], atMs: 0, histories: [] } as const;
    return (await loop.mesh.settle(keeper.ask(message, BUDGET))).user;
  };
  const ranking = await visit(loop, "ann");
  await visit(loop, "bob");
  await loop.mesh.advance(100);
  assert.deepEqual(await read("ann"), { clicked: [items[0]] });
  await loop.erase("ann", "e1");
  await loop.act(ranking, items[1], "click");
  await loop.mesh.advance(100);
  assert.deepEqual(await read("ann"), { clicked: [] });
  assert.deepEqual(await read("bob"), { clicked: [items[0]] });
  const { offsets, saved } = await loop.mesh.settle(keeper.ask({ kind: "getStatus" }, BUDGET));
  assert.ok(saved[0] >= offsets[0] - 1, "the checkpoint is behind the erasure");
  const names = await loop.blobs.list("keeper/");
  assert.ok(names.length > 0);
  for (const name of names) {
    const bytes = await loop.blobs.get(name);
    assert.ok(bytes && !holdsBytes(bytes, new TextEncoder().encode("ann")), name);
  }
  await loop.stop();
});

Deno.test("a keeper whose checkpoint after an erasure is refused writes it later, without any further record", async () => {
  const blobs = new RefusingBlobStore();
  const loop = await Loop.start({
    trainer: { batchRows: 8 },
    kept: {
      features: [{ kind: "history", name: "clicked", of: { action: "click" }, last: 5 }],
      checkpointMs: 3_600_000,
    },
    storage: {
      eventLog: new MemoryEventLog({ name: "events", partitions: 1 }),
      exampleLog: new MemoryEventLog({ name: "examples", partitions: 1 }),
      blobs,
    },
  });
  const keeper = loop.mesh.node().actorRef<FeatureKeeperMessage>("feature_keeper/0");
  const isSaved = async () => {
    const { offsets, saved } = await loop.mesh.settle(keeper.ask({ kind: "getStatus" }, BUDGET));
    return saved[0] === offsets[0];
  };
  await visit(loop, "ann");
  await visit(loop, "bob");
  blobs.refused = "keeper/";
  await loop.erase("ann", "e1");
  const { puts } = blobs;
  await loop.mesh.advance(5 * 60_000);
  assert.equal(await isSaved(), false);
  assert.ok(blobs.puts - puts < 100, `${blobs.puts - puts} tries`);
  blobs.refused = undefined;
  await loop.mesh.advance(15_000);
  assert.equal(await isSaved(), true);
  const settled = blobs.puts;
  await loop.mesh.advance(60_000);
  assert.equal(blobs.puts, settled, "nothing more is written");
  await loop.stop();
});

Deno.test("a release trims no record that a feature keeper has not saved, and lets it save all", async () => {
  const loop = await Loop.start({
    trainer: { batchRows: 8 },
    joiner: { recordsRetained: 1_000_000, windowMs: 1_000 },
    kept: {
      features: [{ kind: "history", name: "clicked", of: { action: "click" }, last: 5 }],
      checkpointMs: 3_600_000,
    },
  });
  const keeper = loop.mesh.node().actorRef<FeatureKeeperMessage>("feature_keeper/0");
  const savedFrom = async () =>
    (await loop.mesh.settle(keeper.ask({ kind: "getStatus" }, BUDGET))).saved;
  const oldest = async () => (await loop.eventLog.read(0, 0, 1))[0].offset;
  const release = async (retainedFrom: readonly number[]) => {
    const nowMs = loop.mesh.clock.nowMs();
    const record = { kind: "release", retainedFrom, atMs: nowMs, acceptedAtMs: nowMs } as const;
    const offset = await loop.eventLog.append(0, [encodeEvent(record)]);
    await loop.mesh.advance(10_000);
    return offset;
  };
  for (let i = 0; i < 3; i++) await visit(loop, "ann");
  await loop.mesh.advance(5_000);
  assert.deepEqual([await oldest(), await savedFrom()], [0, [0]]);
  const first = await release(await savedFrom());
  assert.deepEqual([await oldest(), await savedFrom()], [0, [first + 1]]);
  await release(await savedFrom());
  assert.equal(await oldest(), first + 1);
  await loop.stop();
});

function littleEndian(id: bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.of(id).buffer);
}
