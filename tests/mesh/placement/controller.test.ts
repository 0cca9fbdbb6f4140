/** Hosts that join, leave and are lost, moves, and restores. */
import assert from "node:assert/strict";
import type { MovePhase, PlacedKey, Placement } from "../../../mesh/ports/coordination.ts";
import { Controller } from "../../../mesh/placement/controller.ts";
import { active, moving, options, placesOf, restoring, run, stepsOf } from "./controlled_steps.ts";
import { hostRecord, meshView } from "./mesh_view.ts";

Deno.test("a new mesh gives its shards to hosts without going back to a manifest", () => {
  const none: Placement = { state: "unassigned", epoch: 0 };
  const steps = stepsOf({ placements: { "shard/0": none, "shard/1": none } });
  assert.deepEqual(placesOf(steps), { "shard/0": "(a)", "shard/1": "(b)" });
  assert.equal(steps[0].kind === "place" && steps[0].rewind, false);
});

Deno.test("a host whose lease has expired is removed, and nothing moves before", () => {
  const hosts = [hostRecord("a"), hostRecord("b", { expiresMs: 99_000 })];
  const steps = stepsOf({ hosts, placements: { "shard/0": active("b") } });
  assert.deepEqual(steps, [{
    kind: "removeHost",
    run: run("b"),
    reason: "the lease of b expired 1000 ms ago",
  }]);
});

Deno.test("the shards of a lost host are restored elsewhere, and the mesh goes back", () => {
  const hosts = [hostRecord("a")];
  const placements = { "shard/0": active("a"), "shard/1": active("b"), "shard/2": active("b") };
  const [step, ...others] = stepsOf({ hosts, placements });
  assert.deepEqual(others, []);
  assert.deepEqual(placesOf([step]), { "shard/1": "(a)", "shard/2": "(a)" });
  assert.equal(step.kind === "place" && step.rewind, true);
  assert.match(step.kind === "place" ? step.reason : "", /its host b is gone.*and 1 more/);
});

Deno.test("a host that restarted has lost what its earlier run owned", () => {
  const hosts = [hostRecord("a", { incarnation: "a-2" })];
  const [step] = stepsOf({ hosts, placements: { "shard/0": active("a") } });
  assert.deepEqual(placesOf([step]), { "shard/0": "(a)" });
  assert.match(step.kind === "place" ? step.reason : "", /its host an earlier run of a is gone/);
});

Deno.test("after the store was away every host has one lease's time to come back", () => {
  const hosts = [hostRecord("a"), hostRecord("b", { expiresMs: 1 })];
  const placements = { "shard/0": active("b") };
  const controller = new Controller(options);
  const at = (nowMs: number) => controller.observe(meshView({ hosts, placements, nowMs }));
  assert.deepEqual(at(50_000), [], "a new controller does not know how long it was away");
  assert.deepEqual(at(59_999), []);
  assert.equal(at(60_000)[0].kind, "removeHost");
  controller.lostContact();
  assert.deepEqual(at(70_000), []);
  assert.equal(at(80_000)[0].kind, "removeHost");
});

Deno.test("a move under way is left to its hosts: the target takes over by itself", () => {
  const controller = new Controller(options);
  const at = (nowMs: number, phase: MovePhase) =>
    controller.observe(meshView({ placements: { "shard/0": moving("a", "b", phase) }, nowMs }));
  for (let nowMs = 0; nowMs < 5_000; nowMs += 100) assert.deepEqual(at(nowMs, "filling"), []);
  assert.deepEqual(at(5_000, "frozen"), []);
});

Deno.test("a move whose target is gone is aborted, and one whose owner is gone is restored", () => {
  const placements = { "shard/0": moving("a", "b", "frozen") };
  assert.deepEqual(placesOf(stepsOf({ hosts: [hostRecord("a")], placements })), { "shard/0": "a" });
  assert.deepEqual(placesOf(stepsOf({ hosts: [hostRecord("b")], placements })), {
    "shard/0": "(b)",
  });
});

Deno.test("a copy to a host that drains is given up in either phase, and one from it goes on", () => {
  const hosts = [hostRecord("a"), hostRecord("b", { state: "draining" }), hostRecord("c")];
  const placements = {
    "shard/0": moving("a", "b", "filling"),
    "shard/1": moving("c", "b", "frozen"),
    "shard/2": moving("b", "c", "filling"),
  };
  const steps = stepsOf({ hosts, placements });
  assert.deepEqual(placesOf(steps), { "shard/0": "a", "shard/1": "c" });
  const [step] = steps;
  assert.equal(step.kind === "place" && step.reason, "b is draining, so shard/0 stays on a");
});

Deno.test("an owner is frozen for a limited time, counted from when it was seen frozen", () => {
  const controller = new Controller({ ...options, frozenMsMax: 2_000 });
  const at = (nowMs: number, phase: MovePhase) =>
    placesOf(
      controller.observe(meshView({ nowMs, placements: { "shard/0": moving("a", "b", phase) } })),
    );
  assert.deepEqual(at(0, "filling"), {});
  assert.deepEqual(at(50_000, "frozen"), {});
  assert.deepEqual(at(51_999, "frozen"), {});
  assert.deepEqual(at(52_000, "frozen"), { "shard/0": "a" });
});

Deno.test("a shard that its host does not restore in time goes to another host, and the mesh goes back", () => {
  const controller = new Controller({ ...options, restoringMsMax: 60_000 });
  const at = (nowMs: number, placements: Readonly<Record<PlacedKey, Placement>>) =>
    controller.observe(meshView({ nowMs, placements }));
  assert.deepEqual(at(0, { "shard/0": active("a", 3) }), []);
  assert.deepEqual(at(10_000, { "shard/0": restoring("a", 4) }), []);
  assert.deepEqual(at(69_999, { "shard/0": restoring("a", 4) }), []);
  const steps = at(70_000, { "shard/0": restoring("a", 4) });
  assert.deepEqual(placesOf(steps), { "shard/0": "(b)" });
  assert.ok(steps[0].kind === "place" && steps[0].rewind);
  assert.match(steps[0].reason, /a has not restored shard\/0 within 60000 ms: b does/);
  // The next host has as long.
  assert.deepEqual(at(70_001, { "shard/0": restoring("b", 5) }), []);
  assert.deepEqual(placesOf(at(130_001, { "shard/0": restoring("b", 5) })), { "shard/0": "(a)" });
});

Deno.test("a host that could not report while the store was away keeps what it restored meanwhile", () => {
  const controller = new Controller({ ...options, restoringMsMax: 60_000 });
  const at = (nowMs: number, placement: Placement) =>
    placesOf(controller.observe(meshView({ nowMs, placements: { "shard/0": placement } })));
  assert.deepEqual(at(0, restoring("a")), {});
  controller.lostContact();
  assert.deepEqual(at(80_000, restoring("a")), {}, "the first look after the store's return");
  assert.deepEqual(at(89_999, restoring("a")), {});
  assert.deepEqual(at(90_000, restoring("a")), { "shard/0": "(b)" });
  assert.deepEqual(at(90_001, active("a", 2)), {});
});

Deno.test("a host that is the only one with room goes on restoring, and a slow one that reports keeps its shard", () => {
  const hosts = [hostRecord("a"), hostRecord("b", { state: "draining" })];
  const controller = new Controller({ ...options, restoringMsMax: 1_000 });
  const at = (nowMs: number, placement: Placement) =>
    controller.observe(meshView({ nowMs, hosts, placements: { "shard/0": placement } }));
  for (const nowMs of [0, 50_000, 90_000]) assert.deepEqual(at(nowMs, restoring("a")), []);
  assert.deepEqual(at(95_000, active("a")), []);
});

Deno.test("a partition that waits for shards stays, and one that its host cannot read goes to another", () => {
  const controller = new Controller({ ...options, patienceMs: 0, restoringMsMax: 1_000 });
  const at = (nowMs: number, shard: Placement) =>
    placesOf(controller.observe(meshView({
      nowMs,
      placements: { "shard/0": shard, "trainer/0": restoring("a", 2) },
    })));
  const elsewhere = restoring("b", 7);
  assert.deepEqual(at(0, elsewhere), {});
  assert.deepEqual(at(900, elsewhere), {});
  assert.deepEqual(at(5_000, active("b")), {});
  assert.deepEqual(at(5_999, active("b")), {});
  assert.deepEqual(at(6_000, active("b")), { "trainer/0": "(b)" });
});

Deno.test("a drained host gives its shards away a few at a time", () => {
  const hosts = [hostRecord("a", { state: "draining" }), hostRecord("b")];
  const placements = {
    "shard/0": active("a"),
    "shard/1": active("a"),
    "shard/2": moving("a", "b", "filling"),
  };
  assert.deepEqual(placesOf(stepsOf({ hosts, placements })), { "shard/0": "a>b" });
  assert.deepEqual(placesOf(stepsOf({ hosts, placements }, { movesMax: 1 })), {});
});

Deno.test("hosts are evened out only where that is asked for", () => {
  const placements = { "shard/0": active("a"), "shard/1": active("a") };
  assert.deepEqual(stepsOf({ placements }), []);
  assert.deepEqual(placesOf(stepsOf({ placements }, { balances: true })), { "shard/0": "a>b" });
});
