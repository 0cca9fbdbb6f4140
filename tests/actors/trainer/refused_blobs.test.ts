/**
 * A trainer whose blob store refuses writes for minutes, as on a full disk: it waits with the parts
 * that need a durable record, uses up no restart, and keeps order and counts.
 */
import assert from "node:assert/strict";
import { DivergenceError } from "../../../kernels/dense/divergence.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { readTrainerErasure } from "../../../records/erasure.ts";
import { featureIdOf, signatureOf } from "../../../records/forgotten.ts";
import { readQuarantine } from "../../../records/quarantine.ts";
import { readManifests } from "../../../records/snapshot_manifest.ts";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";
import type { LoopOptions } from "../loop_options.ts";
import { RefusingBlobStore } from "../refusing_blob_store.ts";

const MINUTES_MS = 5 * 60_000;
const items = ["item-0", "item-1", "item-2"];

async function start(options: LoopOptions = {}): Promise<{ loop: Loop; blobs: RefusingBlobStore }> {
  const blobs = new RefusingBlobStore();
  const storage = {
    eventLog: new MemoryEventLog({ name: "events", partitions: 1 }),
    exampleLog: new MemoryEventLog({ name: "examples", partitions: options.trainers ?? 1 }),
    blobs,
  };
  return { loop: await Loop.start({ trainer: { batchRows: 4 }, storage, ...options }), blobs };
}

async function visit(loop: Loop, user: string): Promise<void> {
  const { rankingId } = await loop.rank(user, items);
  for (const item of items) await loop.act(rankingId, item, "click");
  await loop.mesh.advance(100);
}

/** Starts of the trainers since the loop began. */
function crashes(loop: Loop): string[] {
  return loop.mesh.telemetry.lines.map(({ message }) => message)
    .filter((message) => message.includes("trainer/0") && /crash|restart/.test(message));
}

/** The erasure `e1` is recorded, and the newest snapshot was cut after it. */
async function assertErasureInNewestSnapshot(blobs: RefusingBlobStore): Promise<void> {
  const [newest] = await readManifests(blobs);
  const erased = await readTrainerErasure(blobs, "e1", 1, "trainer/0");
  const part = newest.trainers.find(({ source }) => source === "trainer/0");
  assert.ok(erased && part && part.sequence >= erased.sequence);
}

const warnings = (loop: Loop) =>
  loop.mesh.telemetry.lines.filter(({ level }) => level === "warn").map(({ message }) => message);

for (const pipelined of [false, true]) {
  Deno.test(`an erasure whose record the blob store refuses is finished later, with its counts, ${pipelined ? "with" : "without"} pipelining`, async () => {
    const { loop, blobs } = await start({ trainer: { batchRows: 4, pipelined } });
    for (const user of ["ann", "bob", "ann"]) await visit(loop, user);
    blobs.refused = "erasures/";
    await loop.erase("ann", "e1");
    await loop.erase("bob", "e2");
    await visit(loop, "zoe");
    await loop.mesh.advance(1_000);
    const { examples: before } = await loop.trainerStatus();
    // Appended chunks do not try the write again, however many they are.
    const { puts } = blobs;
    for (let i = 0; i < 40; i++) await visit(loop, `user-${i % 5}`);
    await loop.mesh.advance(MINUTES_MS);
    assert.ok(blobs.puts - puts < 320, `${blobs.puts - puts} tries in 305 s`);
    assert.equal((await loop.trainerStatus()).examples, before, "the order of the log stays");
    assert.deepEqual(crashes(loop), []);
    assert.match(warnings(loop).join("\n"), /trainer\/0 cannot record the erasure e1 .*No space/);
    assert.ok(warnings(loop).length < 10, "and it says so now and then");

    blobs.refused = undefined;
    await loop.mesh.advance(3_000);
    const receipts = await Promise.all(
      ["e1", "e2"].map((id) => readTrainerErasure(blobs, id, 1, "trainer/0")),
    );
    assert.deepEqual(receipts.map((receipt) => receipt?.rowsRemoved), [1, 1]);
    const { offset, examples } = await loop.trainerStatus();
    assert.deepEqual([offset, examples], [await loop.exampleLog.endOffset(0), 44 * 3]);
    assert.deepEqual(crashes(loop), []);
    await loop.stop();
  });
}

Deno.test("a trainer answers while the blob store keeps the record of an erasure waiting", async () => {
  const { loop, blobs } = await start();
  await visit(loop, "ann");
  const { promise, resolve } = Promise.withResolvers<void>();
  [blobs.refused, blobs.until] = ["erasures/", promise];
  await loop.erase("ann", "e1");
  await visit(loop, "bob");
  await loop.mesh.advance(60_000);
  assert.equal((await loop.trainerStatus()).examples, 3);
  assert.ok((await loop.denseWeights()).version > 0);
  [blobs.refused, blobs.until] = [undefined, undefined];
  resolve();
  await loop.mesh.advance(2_000);
  assert.equal((await loop.trainerStatus()).examples, 6);
  assert.equal((await readTrainerErasure(blobs, "e1", 1, "trainer/0"))?.rowsRemoved, 1);
  await loop.stop();
});

Deno.test("a snapshot waits a moment for the record of an erasure that is being written", async () => {
  for (const trainers of [1, 2]) {
    const { loop, blobs } = await start({ trainers });
    for (const user of ["ann", "bob", "eve", "zoe"]) await visit(loop, user);
    const { promise, resolve } = Promise.withResolvers<void>();
    const put = blobs.put.bind(blobs);
    Object.assign(blobs, {
      put: async (name: string, bytes: Uint8Array) => {
        if (name.startsWith("erasures/e1/trainer-0")) await promise;
        await put(name, bytes);
      },
    });
    await loop.erase("ann", "e1");
    await loop.mesh.advance(2_000);
    assert.equal(await readTrainerErasure(blobs, "e1", 1, "trainer/0"), undefined);
    loop.mesh.clock.schedule(100, resolve);
    await loop.snapshot();
    await assertErasureInNewestSnapshot(blobs);
    await loop.stop();
  }
});

Deno.test("no snapshot is cut between the removal of rows and its record", async () => {
  for (const trainers of [1, 2]) {
    const { loop, blobs } = await start({ trainers });
    for (const user of ["ann", "bob", "eve", "zoe"]) await visit(loop, user);
    await loop.snapshot();
    blobs.refused = "erasures/e1/trainer-0";
    await loop.erase("ann", "e1");
    await loop.mesh.advance(2_000);
    await assert.rejects(loop.snapshot(), /trainer\/0 gives no state to a snapshot while/);
    await loop.mesh.settle(loop.mesh.node().stopActor("snapshotter/0", 0));
    assert.equal((await readManifests(blobs)).length, 1);
    blobs.refused = undefined;
    await loop.mesh.advance(2_000);
    await loop.snapshot();
    await assertErasureInNewestSnapshot(blobs);
    await loop.stop();
  }
});

Deno.test("a trainer that restarts while the record is refused removes the rows again, and records that", async () => {
  const first = await start();
  await visit(first.loop, "ann");
  first.blobs.refused = "erasures/";
  await first.loop.erase("ann", "e1");
  await first.loop.mesh.advance(5_000);
  const loop = await first.loop.kill(2);
  await loop.mesh.advance(5_000);
  assert.equal(await readTrainerErasure(first.blobs, "e1", 1, "trainer/0"), undefined);
  first.blobs.refused = undefined;
  await loop.mesh.advance(2_000);
  assert.equal((await readTrainerErasure(first.blobs, "e1", 1, "trainer/0"))?.rowsRemoved, 1);
  await loop.stop();
});

const RATINGS: LoopOptions["joiner"] = {
  tasks: [{ task: "clicked", rules: [{ action: "rate", label: "value", final: true }] }],
};

/** Ratings of all items; the first one is a value that no step can learn from. */
async function rateBadly(loop: Loop, user: string): Promise<void> {
  const { rankingId } = await loop.rank(user, items);
  for (const [i, item] of items.entries()) await loop.act(rankingId, item, "rate", i ? 1 : 1e30);
  await loop.mesh.advance(100);
}

Deno.test("rows of an erased user leave the quarantine when the store takes it, and are counted once", async () => {
  const { loop, blobs } = await start({ joiner: RATINGS });
  for (const user of ["bob", "ann", "ann"]) await rateBadly(loop, user);
  const id = String(featureIdOf(1, signatureOf("ann")));
  const kept = async () => (await readQuarantine(blobs, "trainer/0")).rows;
  const ofAnn = async () => (await kept()).filter(({ ids }) => ids.includes(id)).length;
  assert.deepEqual([(await kept()).length, await ofAnn()], [3, 2]);
  blobs.refused = "quarantine/";
  await loop.erase("ann", "e1");
  await loop.mesh.advance(MINUTES_MS);
  assert.deepEqual([await ofAnn(), crashes(loop)], [2, []]);
  assert.equal(await readTrainerErasure(blobs, "e1", 1, "trainer/0"), undefined);
  blobs.refused = "erasures/";
  await loop.mesh.advance(MINUTES_MS);
  assert.equal(await ofAnn(), 0);
  blobs.refused = undefined;
  await loop.mesh.advance(2_000);
  const { quarantined, rowsRemoved } = (await readTrainerErasure(blobs, "e1", 1, "trainer/0"))!;
  assert.deepEqual([quarantined, rowsRemoved, (await kept()).length], [2, 1, 1]);
  await loop.stop();
});

Deno.test("rows put aside while the quarantine is refused are counted, and no snapshot passes them unrecorded", async () => {
  const { loop, blobs } = await start({ joiner: RATINGS });
  await rateBadly(loop, "ann");
  blobs.refused = "quarantine/";
  await rateBadly(loop, "bob");
  const label = { trainer: "0" };
  assert.equal(loop.mesh.telemetry.value("cairn_trainer_rows_refused_total", label), 2);
  assert.equal((await loop.trainerStatus()).rowsRefused, 2);
  assert.equal((await readQuarantine(blobs, "trainer/0")).rowsRefused, 1);
  await assert.rejects(loop.snapshot(), /No space/);
  await loop.mesh.settle(loop.mesh.node().stopActor("snapshotter/0", 0));
  blobs.refused = undefined;
  await loop.snapshot();
  assert.equal((await readQuarantine(blobs, "trainer/0")).rowsRefused, 2);
  await loop.stop();
});

Deno.test("a trainer whose way back to a snapshot cannot be recorded waits, and then goes back once", async () => {
  let isBroken = false;
  const explosion = new DivergenceError(
    { step: 4, loss: NaN, learningRate: 0.1, reason: "the loss is not finite" },
    "some rows",
  );
  const { loop, blobs } = await start({
    interference: {
      trainingSession: (session) =>
        altered(session, {
          step: (batch) => isBroken ? Promise.reject(explosion) : session.step(batch),
        }),
    },
  });
  for (let i = 0; i < 8; i++) await visit(loop, `user-${i % 3}`);
  await loop.snapshot();
  isBroken = true;
  blobs.refused = "quarantine/";
  for (let i = 0; i < 16; i++) await visit(loop, `user-${i % 3}`);
  await loop.mesh.advance(MINUTES_MS);
  assert.deepEqual(crashes(loop), []);
  await assert.rejects(loop.snapshot(), /gives no state to a snapshot/);
  await loop.mesh.settle(loop.mesh.node().stopActor("snapshotter/0", 0));
  isBroken = false;
  blobs.refused = undefined;
  await loop.mesh.advance(10_000);
  assert.equal((await readQuarantine(blobs, "trainer/0")).skipped.length, 1);
  assert.equal(loop.mesh.telemetry.value("cairn_trainer_went_back_total", { trainer: "0" }), 1);
  assert.equal((await loop.trainerStatus()).offset, await loop.exampleLog.endOffset(0));
  await loop.stop();
});
