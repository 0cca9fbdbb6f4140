/**
 * Moves of shards between live hosts, and their history, over every record store.
 */
import assert from "node:assert/strict";
import type { HostRun, Ownership, Placement } from "../../../mesh/ports/coordination.ts";
import {
  a,
  activate,
  b,
  change,
  type ContractTest,
  control,
  HOUR_MS,
  run,
} from "./coordination_under_test.ts";

export function movesContract(test: ContractTest): void {
  test("a live move ends with the target as owner in the next epoch", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    await activate(mesh, epoch, "shard/0", a);
    const move = { state: "moving", owner: run(a), target: run(b) } as const;
    const filling = await change(mesh, epoch, "shard/0", { ...move, phase: "filling" });
    const report = async (by: HostRun, expected: Placement, next: Ownership) =>
      (await mesh.place({ by, changes: [{ key: "shard/0", expected, next }] })).get("shard/0")!;
    const taken = { state: "active", owner: run(b) } as const;
    await assert.rejects(report(b, filling, { ...move, phase: "frozen" }), /"a" says when it is/);
    await assert.rejects(report(b, filling, taken), /"a" is not frozen/);
    const frozen = await report(a, filling, { ...move, phase: "frozen" });
    assert.deepEqual([filling.epoch, frozen.epoch], [1, 1]);
    await assert.rejects(report(a, frozen, taken), /only the target of the move may take over/);
    await assert.rejects(
      change(mesh, epoch, "shard/0", taken),
      /only the target of the move may take over/,
    );
    const moved = await report(b, frozen, taken);
    assert.deepEqual(moved, { ...taken, epoch: 2 });
    assert.deepEqual(await report(b, frozen, taken), moved, "the same report again");
  });

  test("a freeze wakes no watcher, and the takeover behind it does", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    await activate(mesh, epoch, "shard/0", a);
    const move = { state: "moving", owner: run(a), target: run(b) } as const;
    const filling = await change(mesh, epoch, "shard/0", { ...move, phase: "filling" });
    const { revision, version } = await mesh.read();
    const report = async (by: HostRun, expected: Placement, next: Ownership) =>
      (await mesh.place({ by, changes: [{ key: "shard/0", expected, next }] })).get("shard/0")!;
    const frozen = await report(run(a), filling, { ...move, phase: "frozen" });
    const view = await mesh.read();
    assert.deepEqual(view.placements.get("shard/0"), frozen);
    assert.deepEqual([view.revision, view.version], [revision, version]);
    const woken = mesh.watch(revision, HOUR_MS);
    await report(run(b), frozen, { state: "active", owner: run(b) });
    assert.ok(await woken > revision);
    const { last } = await mesh.history("shard/0");
    assert.ok(last!.frozenAtMs! >= last!.atMs && last!.frozenAtMs! <= last!.endedMs!);
  });

  test("an aborted move leaves owner and epoch as they were", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    const before = await activate(mesh, epoch, "shard/0", a);
    const move = { state: "moving", owner: run(a), target: run(b) } as const;
    await change(mesh, epoch, "shard/0", { ...move, phase: "filling" });
    await change(mesh, epoch, "shard/0", { ...move, phase: "frozen" });
    assert.deepEqual(await change(mesh, epoch, "shard/0", { state: "active", owner: a }), before);
  });

  test("an owner aborts its own move, and an abort and a takeover exclude each other", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    const before = await activate(mesh, epoch, "shard/0", a);
    const move = { state: "moving", owner: run(a), target: run(b) } as const;
    const abort = (by: HostRun, expected: Placement) =>
      mesh.place({
        by,
        changes: [{ key: "shard/0", expected, next: { state: "active", owner: run(a) } }],
      });
    for (let i = 0; i < 8; i++) {
      const filling = await change(mesh, epoch, "shard/0", { ...move, phase: "filling" });
      await assert.rejects(abort(run(b), filling), /only the owner aborts its own move/);
      const frozen = await change(mesh, epoch, "shard/0", { ...move, phase: "frozen" });
      const takeOver = () =>
        mesh.place({
          by: run(b),
          changes: [{ key: "shard/0", expected: frozen, next: { state: "active", owner: run(b) } }],
        });
      const [first, second] = await Promise.allSettled(
        i % 2 === 0 ? [abort(run(a), frozen), takeOver()] : [takeOver(), abort(run(a), frozen)],
      );
      const outcomes = [first, second].map((each) =>
        each.status === "fulfilled" ? "made" : each.reason.name
      );
      assert.deepEqual(outcomes.toSorted(), ["PlacementConflictError", "made"]);
      const now = (await mesh.read()).placements.get("shard/0");
      if (now?.state === "active" && now.owner.host === "a") assert.deepEqual(now, before);
      else {
        assert.deepEqual(now, { state: "active", owner: run(b), epoch: before.epoch + 1 });
        return;
      }
    }
  });

  test("the store remembers since when a part is where it is, and its last move", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    assert.deepEqual(await mesh.history("shard/0"), {});
    await activate(mesh, epoch, "shard/0", a);
    const { sinceMs = 0 } = await mesh.history("shard/0");
    const { nowMs } = await mesh.read();
    assert.ok(sinceMs > 0 && sinceMs <= nowMs);
    const placement = (await mesh.read()).placements.get("shard/0")!;
    const filling = { state: "moving", owner: run(a), target: run(b), phase: "filling" } as const;
    const [moving] = (await mesh.place({
      by: { controllerEpoch: epoch, planEdition: 0 },
      changes: [{ key: "shard/0", expected: placement, next: filling, reason: "a drains" }],
    })).values();
    await mesh.place({
      by: run(a),
      changes: [{
        key: "shard/0",
        expected: moving,
        next: { state: "active", owner: run(a) },
        reason: "it was frozen for too long",
      }],
    });
    const { sinceMs: after, last } = await mesh.history("shard/0");
    assert.equal(after, sinceMs);
    const { atMs, endedMs, ...rest } = last!;
    assert.ok(atMs >= sinceMs && endedMs! >= atMs);
    assert.deepEqual(rest, {
      from: "a",
      to: "b",
      reason: "a drains",
      outcome: "aborted",
      why: "it was frozen for too long",
    });
  });
}
