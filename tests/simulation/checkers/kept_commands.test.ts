import assert from "node:assert/strict";
import type { MeshView, Placement } from "../../../mesh/ports/coordination.ts";
import type { CheckerContext } from "../../../simulation/checkers/checker.ts";
import { keptCommands } from "../../../simulation/checkers/kept_commands.ts";

const run = (host: string) => ({ host, incarnation: `${host}-1` });
const active = (host: string): Placement => ({ state: "active", owner: run(host), epoch: 1 });
const moving: Placement = {
  state: "moving",
  owner: run("a"),
  target: run("b"),
  phase: "filling",
  epoch: 1,
};

/** A checker of a mesh of the hosts `a` and `b`, of which these drain. */
function watch(...draining: string[]) {
  const failures: string[] = [];
  const clock = { nowMs: 0 };
  const fail = (message: string) => void failures.push(message);
  const context: CheckerContext = { nowMs: () => clock.nowMs, fail };
  const hosts = ["a", "b"].map((host) => {
    const state = draining.includes(host) ? "draining" : "up";
    return [host, { ...run(host), roles: ["shards"], state }] as const;
  });
  const placements = new Map([["shard/0", active("a")]]);
  const none = { eventPartitions: 0, examplePartitions: 0, earlierPartitions: [] };
  const identity = { shards: 0, trainers: 0, ...none };
  const view = { nowMs: 0, identity, hosts: new Map(hosts), placements };
  const checker = keptCommands(() => view as unknown as MeshView)(context);
  return { checker, failures, clock };
}

Deno.test("a part that stays after a cancel keeps the promise, one that leaves breaks it", () => {
  const { checker, failures } = watch();
  checker.placed?.("shard/0", active("a"), moving);
  checker.commandBegan?.("cancel");
  // The store may have taken the command: its answer tells.
  checker.placed?.("shard/0", active("a"), moving);
  checker.commandTaken?.("cancel", []);
  checker.placed?.("shard/0", moving, active("a"));
  checker.placed?.("shard/0", moving, { ...active("b"), epoch: 2 });
  assert.deepEqual(failures, []);
  checker.placed?.("shard/0", active("a"), moving);
  assert.deepEqual(failures, ["shard/0 leaves a, which is up, for b after cairn cancel"]);
});

Deno.test("a rollback allows its own moves, and a command without effect changes nothing", () => {
  const { checker, failures } = watch();
  checker.commandBegan?.("rollback");
  checker.commandTaken?.("rollback", [{ key: "shard/0", from: "a", to: "b" }]);
  checker.placed?.("shard/0", active("a"), moving);
  assert.deepEqual(failures, []);
  checker.commandBegan?.("cancel");
  checker.commandTaken?.("cancel", undefined);
  checker.placed?.("shard/1", active("a"), moving);
  assert.deepEqual(failures, ["shard/1 leaves a, which is up, for b after cairn rollback"]);
});

Deno.test("parts leave a host that drains, and none goes to one", () => {
  const leaves = watch("a");
  leaves.checker.commandBegan?.("cancel");
  leaves.checker.commandTaken?.("cancel", []);
  leaves.checker.placed?.("shard/0", active("a"), moving);
  assert.deepEqual(leaves.failures, []);
  const { checker, failures } = watch("b");
  checker.placed?.("shard/0", active("a"), moving);
  assert.deepEqual(failures, ["shard/0 goes to b, which drains"]);
});

Deno.test("a copy may come to a host whose drain waits for it, and nothing after the drain", () => {
  const { checker, failures } = watch("b");
  checker.placed?.("shard/0", moving, { ...active("b"), epoch: 2 });
  assert.deepEqual(failures, []);
  checker.placed?.("shard/0", active("a"), { ...active("b"), epoch: 2 });
  assert.equal(failures[0], "shard/0 comes to b, whose drain was over");
});

Deno.test("a step that was decided while a host drained may come just after its drain", () => {
  const { checker, failures, clock } = watch();
  checker.commandBegan?.("cancel");
  checker.commandTaken?.("cancel", []);
  checker.drains?.("a", true);
  // The store has ended the drain, and the operator does not know it yet.
  checker.placed?.("shard/0", active("a"), moving);
  checker.drains?.("a", false);
  checker.placed?.("shard/0", active("a"), moving);
  assert.deepEqual(failures, []);
  clock.nowMs = 3_000;
  checker.placed?.("shard/0", active("a"), moving);
  assert.deepEqual(failures, ["shard/0 leaves a, which is up, for b after cairn cancel"]);
});

Deno.test("a fail-over ends the promise until its loss is accepted", () => {
  const { checker, failures } = watch("b");
  checker.redisLost?.();
  checker.placed?.("shard/0", active("a"), moving);
  assert.deepEqual(failures, []);
  checker.placed?.("shard/0", active("a"), { state: "unassigned", epoch: 2 ** 20 + 1 });
  checker.placed?.("shard/0", active("a"), moving);
  assert.deepEqual(failures, ["shard/0 goes to b, which drains"]);
});

Deno.test("a command that was under way at a fail-over promises nothing", () => {
  const { checker, failures } = watch();
  const outlasts = () => {
    checker.commandBegan?.("cancel");
    checker.redisLost?.();
    checker.placed?.("shard/1", active("a"), { state: "unassigned", epoch: 2 ** 20 + 1 });
  };
  outlasts();
  checker.commandTaken?.("cancel", []);
  checker.placed?.("shard/0", active("a"), moving);
  assert.deepEqual(failures, []);
  outlasts();
  checker.commandBegan?.("cancel");
  checker.commandTaken?.("cancel", []);
  checker.placed?.("shard/0", active("a"), moving);
  assert.deepEqual(failures, ["shard/0 leaves a, which is up, for b after cairn cancel"]);
});

Deno.test("a plan that says nothing of a part breaks the promise", () => {
  const { checker, failures } = watch();
  checker.commandTaken?.("apply", []);
  assert.deepEqual(failures, ["the plan does not say where shard/0 goes, and why"]);
});
