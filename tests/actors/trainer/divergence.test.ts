/**
 * Examples and models whose loss is not finite or explodes: rows are put aside, a broken model goes
 * back to its newest snapshot, and training stops only where both do not help.
 */
import assert from "node:assert/strict";
import { DivergenceError } from "../../../kernels/dense/divergence.ts";
import { readQuarantine, readQuarantines } from "../../../records/quarantine.ts";
import { pinSnapshot, readManifests } from "../../../records/snapshot_manifest.ts";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";
import type { LoopOptions } from "../loop_options.ts";

const EXPLOSION = new DivergenceError({
  step: 4,
  loss: NaN,
  learningRate: 0.1,
  reason: "the loss is not finite",
}, "some rows");

/** Clicks are positive, and a rating is a label of its own: a huge one makes the loss explode. */
const RATINGS: LoopOptions["joiner"] = {
  tasks: [{
    task: "clicked",
    rules: [
      { action: "click", label: "positive", final: true },
      { action: "rate", label: "value", final: true },
    ],
  }],
};

async function visit(loop: Loop, i: number, actions: readonly (number | "click")[]) {
  const items = actions.map((_, k) => `item-${(i + k) % 9}`);
  const { rankingId } = await loop.rank(`user-${i % 4}`, items);
  for (const [k, action] of actions.entries()) {
    if (action === "click") await loop.act(rankingId, items[k], "click");
    else await loop.act(rankingId, items[k], "rate", action);
  }
  await loop.mesh.advance(100);
}

function counted(loop: Loop, name: string): number {
  return loop.mesh.telemetry.value(`cairn_trainer_${name}`, { trainer: "0" });
}

/** A loop whose sessions may break: the next one that steps refuses all steps from then on. */
async function breakableLoop(options: LoopOptions = {}) {
  let breaksNext = false;
  const loop = await Loop.start({
    trainer: { batchRows: 8 },
    interference: {
      trainingSession: (session) => {
        let isBroken = false;
        return altered(session, {
          step: (batch) => {
            isBroken ||= breaksNext;
            breaksNext = false;
            return isBroken ? Promise.reject(EXPLOSION) : session.step(batch);
          },
        });
      },
    },
    ...options,
  });
  return { loop, breakModel: () => void (breaksNext = true) };
}

/** A loop that refuses all steps after the first ones, in all sessions together. */
function loopBrokenAfter(stepsMax: number): Promise<Loop> {
  let steps = 0;
  return Loop.start({
    trainer: { batchRows: 8 },
    interference: {
      trainingSession: (session) =>
        altered(session, {
          step: (batch) => ++steps > stepsMax ? Promise.reject(EXPLOSION) : session.step(batch),
        }),
    },
  });
}

for (const pipelined of [false, true]) {
  Deno.test(`rows that the step refuses are put aside, and all others are learned, ${pipelined ? "with" : "without"} pipelining`, async () => {
    const loop = await Loop.start({
      joiner: { ...RATINGS, lingerMs: 50 },
      trainer: { batchRows: 8, pipelined },
    });
    for (let i = 0; i < 20; i++) {
      const poisoned = i === 7 || i === 13;
      await visit(loop, i, ["click", "click", poisoned ? 1e30 : "click", "click", "click"]);
    }
    await loop.mesh.advance(1_000);
    const { examples, diverged, offset } = await loop.trainerStatus();
    assert.deepEqual([examples, diverged], [98, undefined]);
    assert.equal(offset, await loop.exampleLog.endOffset(0));
    assert.equal(counted(loop, "rows_refused_total"), 2);
    assert.equal(counted(loop, "diverged"), 0);
    const { rows, rowsRefused } = await readQuarantine(loop.blobs, "trainer/0");
    assert.equal(rowsRefused, 2);
    assert.deepEqual(rows.map(({ row, labels }) => [row, Number(labels[0])]), [
      [37, Math.fround(1e30)],
      [67, Math.fround(1e30)],
    ]);
    const errors = loop.mesh.telemetry.lines.filter(({ level }) => level === "error");
    assert.match(errors[0].message, /rows 37 of partition 0 of the example log/);

    // A replay puts the same rows aside, and does not count them again.
    const again = await loop.kill(2);
    await again.mesh.advance(5_000);
    assert.equal((await again.trainerStatus()).examples, 98);
    assert.equal(counted(again, "rows_refused_total"), 0);
    assert.equal((await readQuarantine(again.blobs, "trainer/0")).rowsRefused, 2);
    await loop.stop();
    await again.stop();
  });
}

for (const pipelined of [false, true]) {
  Deno.test(`bad rows in many batches after each other are put aside, and the model does not go back, ${pipelined ? "with" : "without"} pipelining`, async () => {
    const loop = await Loop.start({
      joiner: { ...RATINGS, lingerMs: 50 },
      trainer: { batchRows: 4, pipelined },
    });
    for (let i = 0; i < 10; i++) await visit(loop, i, ["click", "click", "click", "click"]);
    await loop.snapshot();
    for (let i = 10; i < 20; i++) await visit(loop, i, [1e30, 1e30, 1e30, 1e30]);
    for (let i = 20; i < 30; i++) await visit(loop, i, ["click", "click", "click", "click"]);
    await loop.mesh.advance(5_000);
    const { examples, diverged, offset } = await loop.trainerStatus();
    assert.deepEqual([examples, diverged], [80, undefined]);
    assert.equal(offset, await loop.exampleLog.endOffset(0));
    const { rowsRefused, skipped } = await readQuarantine(loop.blobs, "trainer/0");
    assert.deepEqual([rowsRefused, skipped], [40, []]);

    const again = await loop.kill(2);
    await again.mesh.advance(5_000);
    assert.deepEqual(await again.denseWeights(), await loop.denseWeights(), "to the bit");
    await loop.stop();
    await again.stop();
  });
}

Deno.test("a model that refuses most examples goes back to its newest snapshot, and learns on after the bad rows", async () => {
  const { loop, breakModel } = await breakableLoop();
  for (let i = 0; i < 10; i++) await visit(loop, i, ["click", "click"]);
  await loop.snapshot();
  const [{ trainers: [part] }] = await readManifests(loop.blobs);
  for (let i = 10; i < 15; i++) await visit(loop, i, ["click", "click"]);
  const { version } = await loop.denseWeights();
  breakModel();
  for (let i = 15; i < 18; i++) await visit(loop, i, ["click", "click"]);
  await loop.mesh.advance(5_000);
  const { skipped: [skipped] } = await readQuarantine(loop.blobs, "trainer/0");
  assert.equal(skipped.from, part.sequence);
  assert.ok(skipped.to > 30 && skipped.to <= 36, `${skipped.to}`);
  assert.equal(counted(loop, "went_back_total"), 1);
  assert.ok((await loop.denseWeights()).version > version, "scorers take the weights after it");

  for (let i = 18; i < 25; i++) await visit(loop, i, ["click", "click"]);
  await loop.mesh.advance(1_000);
  const { diverged, examples, offset } = await loop.trainerStatus();
  assert.equal(diverged, undefined);
  assert.equal(examples, 50 - skipped.to, "since the trainer's restart");
  assert.equal(offset, await loop.exampleLog.endOffset(0));
  assert.equal((await loop.rank("user-0", ["item-0"])).items[0].cold, false);
  assert.equal((await loop.rankerStatus()).modelVersion, (await loop.denseWeights()).version);
  await loop.stop();
});

Deno.test("when one of two trainers goes back, the other learns its own examples since the snapshot again", async () => {
  const { loop, breakModel } = await breakableLoop({ trainers: 2 });
  for (let i = 0; i < 20; i++) await visit(loop, i, ["click", "click"]);
  await loop.snapshot();
  breakModel();
  for (let i = 20; i < 40; i++) await visit(loop, i, ["click", "click"]);
  await loop.mesh.advance(10_000);
  const quarantines = await readQuarantines(loop.blobs);
  assert.equal(quarantines.flatMap(({ quarantine }) => quarantine.skipped).length, 1);
  const [{ trainer, quarantine: { skipped: [skipped] } }] = quarantines;
  const other = trainer === "trainer-0" ? 1 : 0;
  const [{ trainers }] = await readManifests(loop.blobs);
  const rows = (await loop.examples(other)).reduce((sum, chunk) => sum + chunk.rows, 0);
  const status = await loop.trainerStatus(other);
  assert.equal(status.examples, rows - trainers[other].sequence, "all since the snapshot");
  const own = (await loop.examples(1 - other)).reduce((sum, chunk) => sum + chunk.rows, 0);
  assert.equal((await loop.trainerStatus(1 - other)).examples, own - skipped.to);
  for (const partition of [0, 1]) {
    const { offset, diverged } = await loop.trainerStatus(partition);
    assert.deepEqual([offset, diverged], [await loop.exampleLog.endOffset(partition), undefined]);
  }
  await loop.stop();
});

Deno.test("without a snapshot to go back to, training stops, and serving and snapshots keep the last accepted weights", async () => {
  const loop = await loopBrokenAfter(3);
  assert.equal(counted(loop, "diverged"), 0);
  for (let i = 0; i < 8; i++) await visit(loop, i, ["click"]);
  await loop.mesh.advance(1_000);
  const { diverged, examples, steps: learned } = await loop.trainerStatus();
  assert.match(diverged ?? "", /no snapshot to go back to.*the loss is not finite/s);
  assert.deepEqual([examples, learned], [3, 3]);
  assert.equal(counted(loop, "diverged"), 1);
  const { modelVersion, items } = await loop.rank("user-0", ["item-0"]);
  assert.equal(modelVersion, 3);
  assert.equal(items[0].cold, false);

  await loop.snapshot();
  const [{ trainers: [part] }] = await readManifests(loop.blobs);
  assert.equal(part.sequence, 6, "three rows are learned, and three are put aside");
  await loop.stop();
});

Deno.test("a model that breaks again and again stops training after three returns to its snapshot", async () => {
  const loop = await loopBrokenAfter(3);
  for (let i = 0; i < 3; i++) await visit(loop, i, ["click"]);
  await loop.snapshot();
  for (let i = 0; i < 80; i++) {
    await visit(loop, i, ["click"]);
    await loop.mesh.advance(10_000); // restarts are bounded too
  }
  assert.equal((await readQuarantine(loop.blobs, "trainer/0")).skipped.length, 3);
  assert.match((await loop.trainerStatus()).diverged ?? "", /went back too often/);
  await loop.stop();
});

Deno.test("a model that breaks again after its return goes back to an older snapshot, unless it is pinned", async () => {
  for (const pinned of [false, true]) {
    let brokenFrom = Infinity;
    const loop = await Loop.start({
      trainer: { batchRows: 8 },
      interference: {
        trainingSession: (session) => {
          let isBroken = false;
          return altered(session, {
            restore: (checkpoint) => {
              isBroken = checkpoint.step >= brokenFrom;
              return session.restore(checkpoint);
            },
            step: async (batch) => {
              if (isBroken || (await session.weights()).version >= brokenFrom + 3) throw EXPLOSION;
              return await session.step(batch);
            },
          });
        },
      },
    });
    for (let i = 0; i < 5; i++) await visit(loop, i, ["click"]);
    await loop.snapshot();
    for (let i = 5; i < 10; i++) await visit(loop, i, ["click"]);
    await loop.snapshot();
    brokenFrom = 10;
    const [newest] = await readManifests(loop.blobs);
    if (pinned) await pinSnapshot(loop.blobs, newest.name);
    for (let i = 10; i < 50; i++) {
      await visit(loop, i, ["click"]);
      await loop.mesh.advance(10_000);
      brokenFrom = (await readQuarantine(loop.blobs, "trainer/0")).skipped.length > 1 && !pinned
        ? Infinity
        : 10;
    }
    const { skipped } = await readQuarantine(loop.blobs, "trainer/0");
    assert.deepEqual(skipped.map(({ from }) => from), pinned ? [10, 10, 10] : [10, 5]);
    assert.equal((await readManifests(loop.blobs)).length, pinned ? 2 : 1);
    const { diverged } = await loop.trainerStatus();
    if (pinned) assert.match(diverged ?? "", /went back too often/);
    else assert.equal(diverged, undefined);
    await loop.stop();
  }
});

Deno.test("a trainer that restarts from a snapshot remembers the refusals and the reference before it", async () => {
  const warnings: string[][] = [];
  for (const isKilled of [false, true]) {
    let loop = await Loop.start({
      joiner: { ...RATINGS, lingerMs: 50 },
      trainer: { batchRows: 4 },
    });
    for (let i = 0; i < 3; i++) await visit(loop, i, ["click", "click", "click", "click"]);
    for (let i = 3; i < 5; i++) await visit(loop, i, [1e30, 1e30, 1e30, 1e30]);
    await loop.mesh.advance(5_000);
    await loop.snapshot();
    if (isKilled) loop = await loop.kill(2);
    await visit(loop, 5, [1e30, 1e30, 1e30, 1e30]);
    await loop.mesh.advance(5_000);
    const lines = loop.mesh.telemetry.lines.filter(({ level }) => level === "warn");
    warnings.push(lines.map(({ message }) => message).filter((text) => /keeps its/.test(text)));
    await loop.stop();
  }
  assert.match(warnings[0].join(), /keeps its model.*accepts those of rows 8 to 11 again/);
  assert.deepEqual(warnings[1], warnings[0]);
});

Deno.test("a trainer that restarts from a snapshot without a reference goes on when it refuses most examples", async () => {
  let loop = await Loop.start({
    joiner: { ...RATINGS, lingerMs: 50 },
    trainer: { batchRows: 4 },
  });
  await visit(loop, 0, ["click", "click", "click", "click"]);
  await loop.erase("user-0", "erasure-0"); // the only examples that the model has accepted
  for (let i = 1; i < 3; i++) await visit(loop, i, [1e30, 1e30, 1e30, 1e30]);
  await loop.mesh.advance(5_000);
  await loop.snapshot();
  loop = await loop.kill(2);
  await visit(loop, 3, [1e30, 1e30, 1e30, 1e30]);
  await visit(loop, 5, ["click", "click", "click", "click"]);
  await loop.mesh.advance(5_000);
  const { examples, diverged, offset } = await loop.trainerStatus();
  assert.deepEqual([examples, diverged], [4, undefined]);
  assert.equal(offset, await loop.exampleLog.endOffset(0));
  await loop.stop();
});
