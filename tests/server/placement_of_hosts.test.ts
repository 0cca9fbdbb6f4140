/**
 * Goal: two hosts pass a shard to and fro while trainers on a third one teach it and the store is
 * away now and then, and lose no update and no bit; replicas reload nothing, a frozen owner that
 * crashes stays frozen, and no freeze waits for a controller. Method: three agents under virtual
 * time, with their records in memory; an absence of the store ends moves in any phase.
 */
import assert from "node:assert/strict";
import type { FinishCopy, ShardCopyMessage } from "../../actors/embedding_shard/copy_protocol.ts";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import { StaleControllerError } from "../../mesh/ports/coordination_errors.ts";
import { options, unmoved } from "./moving_shard.ts";
import { BATCHES, BUDGET, LEASE_MS, SHARD, World } from "./hosts_of_one_shard.ts";

Deno.test("hosts that pass a shard to and fro lose no bit while the store comes and goes", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = new World(seed);
    await world.start();
    const { simulated } = world;
    const random = simulated.random.stream("absences");
    const shard = world.trainer.actorRef<EmbeddingShardMessage>(SHARD);
    const { incarnation } = await simulated.settle(shard.ask({ kind: "getIncarnation" }, BUDGET));
    const learning = world.learn();
    const owners: string[] = [];
    for (let i = 0; i < 10; i++) {
      owners.push(await world.drainOwner());
      await simulated.advance(random.nextFloat() * 400);
      world.isStoreAway = random.nextFloat() < 0.5;
      if (world.isStoreAway) await simulated.advance(random.nextFloat() * 9_000);
      world.isStoreAway = false;
      await simulated.advance(random.nextFloat() * 1_500);
    }
    await simulated.settle(learning, 600_000);
    await simulated.advance(10_000);
    assert.deepEqual(world.gone, [], `seed ${seed}`);
    assert.ok(owners.includes("a") && owners.includes("b"), `seed ${seed}: ${owners}`);
    const after = await world.handover();
    assert.equal(after.incarnation, incarnation, `seed ${seed}: the shard was restored`);
    assert.deepEqual(after.marks, [["trainer/0", BATCHES]]);
    assert.deepEqual(after.end.digests, unmoved([BATCHES]).copySource().end().digests);
  }
});

Deno.test("replicas continue a moved shard's deltas at its new owner and reload nothing", async () => {
  const world = new World(7);
  await world.start();
  const { simulated, handled } = world;
  const { replica, stop } = await world.replica();
  // Each interleaving of the sources gives the same rows, as no id is of both.
  const learning = Promise.all([world.learn(0, 600), world.learn(1, 200)]);
  await simulated.advance(100);
  const exports = () => handled.filter((kind) => kind === "exportRows").length;
  const before = exports();
  for (let i = 0; i < 2; i++) await world.hasLeft(await world.drainOwner());
  await simulated.settle(learning, 600_000);
  await simulated.advance(2_000);
  assert.equal(exports(), before, "no page of rows was read for a replica");
  const shard = world.trainer.actorRef<EmbeddingShardMessage>(SHARD);
  const page = await simulated.settle(shard.ask({ kind: "exportRows", rowsMax: 1e5 }, BUDGET));
  const starts = Uint32Array.of(0, page.ids.length);
  const served = await simulated.settle(
    replica.ask({ kind: "lookup", ids: page.ids, starts }, BUDGET),
  );
  assert.deepEqual(served.rows, page.rows);
  stop();
  const { end, marks } = await world.handover();
  assert.deepEqual(marks.toSorted(), [["trainer/0", 600], ["trainer/1", 200]]);
  assert.deepEqual(end.digests, unmoved([600, 200]).copySource().end().digests);
});

Deno.test("the store knows of a freeze at once, and the owner is not asked for it again and again", async () => {
  const world = new World(13);
  await world.start();
  const { simulated, coordination } = world;
  await simulated.settle(world.learn(0, 30), 60_000);
  await world.drainOwner();
  world.handled.length = 0;
  const phase = async () => {
    const placement = (await coordination.read()).placements.get("shard/0");
    return placement?.state === "moving" ? placement.phase : "moved";
  };
  let frozenForMs = 0;
  for (let i = 0; frozenForMs === 0 || await phase() === "filling"; i++) {
    assert.ok(i < 2_000, "it was never frozen");
    if (world.handled.includes("finishCopy")) frozenForMs++;
    await simulated.advance(1);
  }
  assert.ok(frozenForMs <= 2, `the store knew ${frozenForMs} ms after the freeze`);
  const asks = world.handled.filter((kind) => kind === "getGiving").length;
  assert.ok(asks <= 4, `the owner was asked ${asks} times`);
});

Deno.test("an owner that crashes while it is frozen applies nothing until its move has ended", async () => {
  const world = new World(9);
  await world.start();
  const { simulated } = world;
  await simulated.settle(world.learn(0, 30), 60_000);
  const shard = world.trainer.actorRef<EmbeddingShardMessage>(SHARD);
  const { incarnation } = await simulated.settle(shard.ask({ kind: "getIncarnation" }, BUDGET));
  const owner = await world.drainOwner();
  const refusals = world.refuseTarget(owner);
  for (let i = 0; !world.isStoreAway; i++) {
    assert.ok(i < 2_000, "it was never frozen");
    await simulated.advance(1);
    const giving = await simulated.settle(shard.ask({ kind: "getGiving" }, BUDGET), 1_000);
    world.isStoreAway = giving?.isFrozen === true;
  }
  refusals.end();
  shard.ask({ kind: "exportRows", rowsMax: 0 }, BUDGET).catch(() => {}); // crashes it
  await simulated.advance(500);
  const opened = shard.ask({ kind: "openSource", source: "trainer/0" }, { budgetMs: 300 });
  const outcome = opened.then(() => "opened", ({ name }) => name);
  assert.equal(await simulated.settle(outcome), "AskTimeoutError");
  world.isStoreAway = false;
  await world.hasLeft(owner);
  await simulated.advance(1_000); // the trainer's host hears of the new owner
  const now = await simulated.settle(shard.ask({ kind: "getIncarnation" }, BUDGET));
  assert.equal(now.incarnation, incarnation, "the copy has the state from before the crash");
  assert.deepEqual((await world.handover()).marks, [["trainer/0", 30]]);
});

for (const crashes of [false, true]) {
  const crashed = crashes ? " and the owner crashes" : "";
  Deno.test(`a freeze ends after two seconds without a controller and a target${crashed}`, async () => {
    const world = new World(11);
    await world.start();
    const { simulated, coordination } = world;
    // A shard that crashes is restored, and its trainer would begin anew.
    const learning = world.learn(0, crashes ? 0 : 400);
    const shard = world.trainer.actorRef<EmbeddingShardMessage>(SHARD);
    const isFrozen = async () =>
      (await simulated.settle(shard.ask({ kind: "getGiving" }, BUDGET), 1_000))?.isFrozen === true;
    const owner = await world.drainOwner();
    const refusals = world.refuseTarget(owner);
    for (let i = 0; !await isFrozen(); i++) {
      assert.ok(i < 2_000, "it was never frozen");
      await simulated.advance(1);
    }
    refusals.controllerToo();
    await simulated.advance(1_000);
    assert.ok(await isFrozen(), "another host has ended the move");
    if (crashes) {
      shard.ask({ kind: "exportRows", rowsMax: 0 }, BUDGET).catch(() => {}); // crashes it
    }
    await simulated.advance(1_200);
    assert.ok(!await isFrozen(), "the owner is frozen for more than 2,200 ms");
    const placement = (await coordination.read()).placements.get("shard/0");
    assert.deepEqual(
      placement?.state === "active" && placement.owner.host,
      owner,
      "the store has ended the move",
    );
    refusals.end();
    await simulated.advance(60_000);
    await world.hasLeft(owner);
    await simulated.settle(learning, 600_000);
    assert.deepEqual(world.gone, []);
    if (crashes) return;
    const { end, marks } = await world.handover();
    assert.deepEqual(marks, [["trainer/0", 400]]);
    assert.deepEqual(end.digests, unmoved([400]).copySource().end().digests);
  });
}

Deno.test("a move that has begun ends without a controller", async () => {
  const world = new World(13);
  await world.start();
  const { simulated, coordination } = world;
  const learning = world.learn(0, 100);
  const owner = await world.drainOwner();
  const isMoving = async () =>
    (await coordination.read()).placements.get("shard/0")?.state === "moving";
  for (let i = 0; !await isMoving(); i++) {
    assert.ok(i < 5_000, "no move was begun");
    await simulated.advance(1);
  }
  const place = coordination.place.bind(coordination);
  coordination.place = (command) =>
    "controllerEpoch" in command.by
      ? Promise.reject(new StaleControllerError(command.by.controllerEpoch, undefined))
      : place(command);
  await world.hasLeft(owner);
  await simulated.settle(learning, 600_000);
  assert.deepEqual(world.gone, []);
  const { end, marks } = await world.handover();
  assert.deepEqual(marks, [["trainer/0", 100]]);
  assert.deepEqual(end.digests, unmoved([100]).copySource().end().digests);
});

Deno.test("a host that hears late of its own report takes the shard at once after that", async () => {
  const world = new World(12);
  await world.start();
  const { simulated, coordination } = world;
  await simulated.settle(world.learn(0, 20), 60_000);
  const place = coordination.place.bind(coordination);
  const LATE_MS = 100;
  coordination.place = async (command) => {
    const [{ next }] = command.changes;
    const placed = await place(command);
    const takesOver = "host" in command.by && next.state === "active";
    if (takesOver) await simulated.clock.delay(LATE_MS);
    return placed;
  };
  const owner = await world.drainOwner();
  const next = world.meshes.get(owner === "a" ? "b" : "a");
  assert.ok(next);
  const isCommitted = async () => {
    const placement = (await coordination.read()).placements.get("shard/0");
    return placement?.state === "active" && placement.owner.host !== owner;
  };
  for (let i = 0; !await isCommitted(); i++) {
    assert.ok(i < 5_000, "the move was not committed");
    await simulated.advance(1);
  }
  await simulated.advance(LATE_MS + 20);
  const shard = next.home.actorRef<EmbeddingShardMessage>(SHARD);
  const { incarnation } = await simulated.settle(
    shard.ask({ kind: "getIncarnation" }, { budgetMs: 20 }),
  );
  assert.notEqual(incarnation, "");
});

Deno.test("a host keeps a shard that it has taken over while it acted on an older view", async () => {
  const world = new World(13);
  await world.start();
  const { simulated, coordination } = world;
  await simulated.settle(world.learn(0, 30), 60_000);
  const shard = world.trainer.actorRef<EmbeddingShardMessage>(SHARD);
  const { incarnation } = await simulated.settle(shard.ask({ kind: "getIncarnation" }, BUDGET));
  const owner = await world.drainOwner();
  const mesh = world.meshes.get(owner === "a" ? "b" : "a");
  assert.ok(mesh);
  const place = mesh.place.bind(mesh);
  mesh.place = async (placement) => {
    // Another thread of the host is busy, and the move ends meanwhile.
    if (placement.some(([address]) => address === world.follower)) {
      await simulated.clock.delay(400);
    }
    await place(placement);
  };
  while (!world.handled.includes("beginCopy")) await simulated.advance(1);
  await simulated.advance(150);
  assert.ok(!world.handled.includes("finishCopy"));
  world.follower = "follower/1";
  await coordination.setHostState("trainer", "draining"); // all hosts look at the mesh
  await simulated.advance(2_000);
  assert.ok(world.handled.includes("finishCopy"));
  assert.deepEqual(world.gone, []);
  const now = await simulated.settle(shard.ask({ kind: "getIncarnation" }, BUDGET));
  assert.equal(now.incarnation, incarnation);
});

Deno.test("a host forgets the verified copy of a move that was given up", async () => {
  const world = new World(10);
  await world.start();
  const { simulated } = world;
  await simulated.settle(world.learn(0, 20), 60_000);
  const view = await world.coordination.read();
  const placement = view.placements.get("shard/0");
  assert.ok(placement?.state === "active");
  const other = placement.owner.host === "a" ? "b" : "a";
  const mesh = world.meshes.get(other);
  assert.ok(mesh);
  const copy = { shard: 0, owner: SHARD, copy: "c", rowsMax: 100, followIntervalMs: 10 };
  const actor = { kind: "shard_copy", key: "9", node: other };
  await simulated.settle(
    mesh.spawn({ ...actor, options: { ...copy, budgetMs: 1_000, tables: options.tables } }),
  );
  await simulated.advance(500);
  const ref = mesh.actorRef<ShardCopyMessage>("shard_copy/9");
  await simulated.settle(mesh.place([["shard_copy/9", other]]));
  await simulated.settle(ref.ask({ kind: "verifyCopy" }, BUDGET));
  await simulated.settle(mesh.end("shard_copy/9", 0));
  const owned = { ...options, tenure: 9 };
  const shard = { kind: "embedding_shard", key: "0", node: other, options: owned };
  await simulated.settle(mesh.spawn(shard));
  const restored = mesh.actorRef<EmbeddingShardMessage>(SHARD);
  await simulated.settle(mesh.place([[SHARD, other]]));
  const finish = { kind: "finishCopy", copy: "end", applied: [0], rowsMax: 1e5 } as const;
  await simulated.settle(restored.ask({ kind: "beginCopy", copy: "end" }, BUDGET));
  const { handover } = await simulated.settle(
    restored.ask<FinishCopy["kind"]>(finish, BUDGET),
  );
  assert.deepEqual(handover?.marks, [], "the shard is the copy that was given up");
});

Deno.test("an owner ends a copy that no move asks for, and records no more changes for it", async () => {
  const world = new World(11);
  await world.start();
  const { simulated } = world;
  await simulated.settle(world.learn(0, 20), 60_000);
  const placement = (await world.coordination.read()).placements.get("shard/0");
  assert.ok(placement?.state === "active");
  // As a copy of the owner before does that finds the restarted shard.
  const shard = world.trainer.actorRef<EmbeddingShardMessage>(SHARD);
  await simulated.settle(shard.ask({ kind: "beginCopy", copy: "of the owner before" }, BUDGET));
  const giving = () => simulated.settle(shard.ask({ kind: "getGiving" }, BUDGET));
  assert.equal((await giving())?.copy, "of the owner before");
  await simulated.advance(LEASE_MS + 1_000);
  assert.equal(await giving(), undefined);
  const after = (await world.coordination.read()).placements.get("shard/0");
  assert.deepEqual(after, placement, "the shard stays where it is");
});
