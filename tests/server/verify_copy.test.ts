/**
 * Goal: an owner is frozen once the copy has nearly all rows and both hosts are prompt, and at the
 * latest three seconds after its copy is ready.
 */
import assert from "node:assert/strict";
import type { CopyProgress, ShardCopyMessage } from "../../actors/embedding_shard/copy_protocol.ts";
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { Pauses } from "../../server/pauses.ts";
import { verifyCopy } from "../../server/verify_copy.ts";

const READY: CopyProgress = { state: "following", rows: 9, bytes: 90, behindRows: 3 };

/** Begins to wait for a copy whose progress and speed the test sets. */
function begin() {
  const mesh = new SimulatedMesh({ seed: 1 });
  const { clock } = mesh;
  const copy = { progress: READY, answersAfterMs: 1, isWanted: true, isOtherFrozen: false };
  let verifiedAtMs: number | undefined;
  const ref = {
    async ask({ kind }: ShardCopyMessage) {
      if (kind === "verifyCopy") verifiedAtMs = clock.monotonicMs();
      else await clock.delay(copy.answersAfterMs);
      return copy.progress;
    },
  };
  const pauses = new Pauses(clock);
  const wait = {
    clock,
    pauses,
    isWanted: () => copy.isWanted,
    beginFreeze: () => !copy.isOtherFrozen,
    budgetMs: 1_000,
  };
  const done = verifyCopy(ref as unknown as ActorRef<ShardCopyMessage>, wait);
  return { mesh, copy, done, verifiedAtMs: () => verifiedAtMs };
}

Deno.test("a ready copy on prompt hosts is verified after ten looks", async () => {
  const { mesh, done, verifiedAtMs } = begin();
  assert.equal(await mesh.settle(done), true);
  assert.ok((verifiedAtMs() ?? 0) <= 250, `${verifiedAtMs()} ms`);
});

Deno.test("no owner is frozen while its copy is far behind", async () => {
  const { mesh, copy, done, verifiedAtMs } = begin();
  copy.progress = { ...READY, behindRows: 5_000 };
  await mesh.advance(10_000);
  assert.equal(verifiedAtMs(), undefined);
  copy.progress = READY;
  await mesh.advance(50);
  assert.notEqual(verifiedAtMs(), undefined);
  assert.equal(await mesh.settle(done), true);
});

Deno.test("a late host is waited for, and one late look begins the wait anew", async () => {
  const { mesh, copy, done, verifiedAtMs } = begin();
  copy.answersAfterMs = 50;
  await mesh.advance(1_000);
  copy.answersAfterMs = 1;
  await mesh.advance(150);
  copy.answersAfterMs = 50;
  await mesh.advance(100);
  copy.answersAfterMs = 1;
  await mesh.advance(150);
  assert.equal(verifiedAtMs(), undefined);
  await mesh.advance(150);
  assert.notEqual(verifiedAtMs(), undefined);
  assert.equal(await mesh.settle(done), true);
});

Deno.test("the freeze of another shard is waited for, and ten looks after it", async () => {
  const { mesh, copy, done, verifiedAtMs } = begin();
  copy.isOtherFrozen = true;
  await mesh.advance(10_000);
  assert.equal(verifiedAtMs(), undefined);
  copy.isOtherFrozen = false;
  await mesh.advance(250);
  assert.notEqual(verifiedAtMs(), undefined);
  assert.equal(await mesh.settle(done), true);
});

Deno.test("a host that stays late holds a move up for three seconds", async () => {
  const { mesh, copy, done, verifiedAtMs } = begin();
  copy.answersAfterMs = 50;
  assert.equal(await mesh.settle(done), true);
  const atMs = verifiedAtMs() ?? 0;
  assert.ok(atMs >= 3_000 && atMs <= 3_200, `${atMs} ms`);
});

Deno.test("the wait ends with the reason of a copy that failed, or when it is wanted no more", async () => {
  const failed = begin();
  failed.copy.progress = { ...READY, state: "failed", reason: "no room" };
  await assert.rejects(failed.mesh.settle(failed.done), /no room/);
  const unwanted = begin();
  unwanted.copy.isWanted = false;
  assert.equal(await unwanted.mesh.settle(unwanted.done), false);
  assert.equal(unwanted.verifiedAtMs(), undefined);
});
