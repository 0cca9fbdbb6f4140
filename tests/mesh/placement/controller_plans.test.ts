/** The operator's plans beside the balance of the hosts. */
import assert from "node:assert/strict";
import type { HostRecord, Placement } from "../../../mesh/ports/coordination.ts";
import { Controller } from "../../../mesh/placement/controller.ts";
import type { PlanDocument } from "../../../mesh/placement/plan_document.ts";
import {
  active,
  endOf,
  moving,
  options,
  placesOf,
  plan,
  restoring,
  run,
  stepsOf,
} from "./controlled_steps.ts";
import { hostRecord, meshView } from "./mesh_view.ts";

const readerPlan = plan({
  moves: [
    { key: "events/0", from: "a", to: "b" },
    { key: "events/1", from: "a", to: "b" },
    { key: "trainer/0", from: "a", to: "b" },
  ],
});

Deno.test("the operator's plan is carried out within its limit, and marked as done", () => {
  const at = (first: Placement, second: Placement) =>
    stepsOf({ plan: plan(), placements: { "shard/0": first, "shard/1": second } });
  assert.deepEqual(placesOf(at(active("a"), active("a"))), { "shard/0": "a>b" });
  assert.deepEqual(at(moving("a", "b", "filling"), active("a")), []);
  assert.deepEqual(placesOf(at(active("b", 2), active("a"))), { "shard/1": "a>b" });
  const [done] = at(active("b", 2), active("b", 2));
  assert.ok(done.kind === "writePlan" && done.edition === 7);
  assert.deepEqual(endOf(done), { state: "done" });
});

Deno.test("a planned joiner or trainer gets its new owner in one step, within the limit of its kind", () => {
  const at = (events0: Placement, events1: Placement, trainer: Placement) =>
    placesOf(stepsOf({
      plan: readerPlan,
      placements: { "events/0": events0, "events/1": events1, "trainer/0": trainer },
    }));
  const [a, b] = [active("a"), active("b", 2)];
  assert.deepEqual(at(a, a, a), { "events/0": "(b)" });
  assert.deepEqual(at(restoring("b", 2), a, a), { "trainer/0": "(b)" });
  assert.deepEqual(at(restoring("b", 2), a, restoring("b", 2)), {});
  assert.deepEqual(at(b, a, restoring("b", 2)), { "events/1": "(b)" });
});

Deno.test("a plan ends when the new owners read, or another host has got what they could not start", () => {
  const at = (trainer: Placement) =>
    stepsOf({
      plan: plan({ moves: [{ key: "trainer/0", from: "a", to: "b" }] }),
      hosts: ["a", "b", "c"].map((name) => hostRecord(name)),
      placements: { "trainer/0": trainer },
    });
  assert.deepEqual(at(restoring("b", 2)), []);
  assert.deepEqual(at(active("b", 2)).map(endOf), [{ state: "done" }]);
  for (const end of [restoring("c", 3), active("c", 3)]) {
    assert.deepEqual(at(end).map(endOf), [{ state: "incomplete", elsewhere: ["trainer/0"] }]);
  }
});

Deno.test("a reader does not move to a host without its role, and a part that is gone is passed over", () => {
  const moves = [
    { key: "trainer/0", from: "a", to: "b" },
    { key: "trainer/7", from: "a", to: "b" },
  ] as const;
  const placements = { "trainer/0": active("a") };
  const steps = (roles: readonly string[]) =>
    stepsOf({
      plan: plan({ moves }),
      hosts: [hostRecord("a"), hostRecord("b", { roles })],
      placements,
    });
  assert.deepEqual(placesOf(steps(["trainer"])), { "trainer/0": "(b)" });
  const elsewhere = ["trainer/0"] as const;
  assert.deepEqual(steps(["shards", "joiner"]).map(endOf), [{ state: "incomplete", elsewhere }]);
});

Deno.test("a cancelled plan begins no reader, and leaves one that has its new owner", () => {
  const placements = { "events/0": restoring("b", 2), "events/1": active("a") };
  const cancelled = { ...readerPlan, state: "cancelled" } as const;
  assert.deepEqual(stepsOf({ plan: cancelled, placements }), []);
});

Deno.test("a plan of another version of the program moves nothing, and lost parts are restored", () => {
  const format = 1 as unknown as PlanDocument["format"];
  const hosts = [hostRecord("b")];
  const steps = stepsOf({ plan: plan({ format }), hosts, placements: { "events/0": active("a") } });
  assert.deepEqual(placesOf(steps), { "events/0": "(b)" });
});

Deno.test("a plan ends without its moves to a host that is gone or draining, and names their parts", () => {
  const placements = { "shard/0": active("a"), "shard/1": active("b", 2) };
  const draining = [hostRecord("a"), hostRecord("b", { state: "draining" })];
  const [end] = stepsOf({ plan: plan(), hosts: draining, placements });
  assert.deepEqual(endOf(end), { state: "incomplete", elsewhere: ["shard/0"] });
  const onA = { "shard/0": active("a"), "shard/1": active("a") };
  const [none] = stepsOf({ plan: plan(), hosts: [hostRecord("a")], placements: onA });
  assert.deepEqual(endOf(none), { state: "incomplete", elsewhere: ["shard/0", "shard/1"] });
});

Deno.test("a plan goes on after an absence of the store or of a link, and ends where a link stays away", () => {
  const placements = { "shard/0": active("a") };
  const moves = [{ key: "shard/0", from: "a", to: "b" }] as const;
  const controller = new Controller({ ...options, restoringMsMax: 60_000 });
  let applied = plan({ moves });
  const at = (nowMs: number, ...hosts: HostRecord[]) =>
    controller.observe(
      meshView({ nowMs, hosts: [...hosts, hostRecord("c")], placements, plan: applied }),
    );
  const a = hostRecord("a");
  const late = hostRecord("b", { expiresMs: 1 });
  assert.deepEqual(at(50_000, a, late), [], "b has not renewed its lease yet");
  assert.deepEqual(at(50_001, a), [], "a host that is not there yet may join again");
  const unlinked = hostRecord("b", { unlinked: [run("a")] });
  assert.deepEqual(at(70_000, a, unlinked), []);
  assert.deepEqual(placesOf(at(80_000, a, hostRecord("b"))), { "shard/0": "a>b" });
  assert.deepEqual(at(90_000, a, unlinked), []);
  assert.deepEqual(at(149_999, a, unlinked), []);
  assert.deepEqual(at(150_000, a, unlinked).map(endOf), [
    { state: "incomplete", elsewhere: ["shard/0"] },
  ]);
  applied = plan({ moves, firstEdition: 9 });
  assert.deepEqual(at(150_001, a, unlinked), [], "the move of a later plan has its own time");
});

Deno.test("a cancelled plan ends its moves, and leaves those of others", () => {
  const hosts = ["a", "b", "c"].map((name) => hostRecord(name));
  const placements = {
    "shard/0": moving("a", "b", "filling"),
    "shard/1": moving("a", "b", "frozen"),
    "shard/2": moving("a", "c", "filling"),
  };
  const steps = stepsOf({ plan: plan({ state: "cancelled" }), hosts, placements });
  assert.deepEqual(placesOf(steps), { "shard/0": "a", "shard/1": "a" });
});

Deno.test("a rollback ends the copies that the plan before has begun, and no copy of a drain", () => {
  const back = plan({ moves: [{ key: "shard/0", from: "b", to: "a" }], kind: "rollback" });
  const placements = { "shard/0": moving("a", "b", "filling") };
  const steps = (state: "up" | "draining", rollback = back) =>
    placesOf(
      stepsOf({
        plan: rollback,
        hosts: [hostRecord("a", { state }), hostRecord("b")],
        placements,
      }),
    );
  assert.deepEqual(steps("up"), { "shard/0": "a" });
  assert.deepEqual(steps("draining"), {});
  assert.deepEqual(steps("up", { ...back, kind: "apply" }), {}, "an apply ends no other move");
});

Deno.test("hosts are not evened out after a rollback or a cancel, and the parts of a lost one move", () => {
  const placements = { "shard/0": active("a"), "shard/1": active("a") };
  const both = ["a", "b"].map((name) => hostRecord(name));
  const steps = (last: Pick<PlanDocument, "kind" | "state">, hosts = both) =>
    placesOf(stepsOf({ hosts, placements, plan: plan(last) }, { balances: true }));
  assert.deepEqual(steps({ kind: "apply", state: "done" }), { "shard/0": "a>b" });
  for (
    const last of [
      { kind: "apply", state: "cancelled" },
      { kind: "rollback", state: "cancelled" },
      { kind: "rollback", state: "done" },
    ] as const
  ) {
    assert.deepEqual(steps(last), {});
    assert.deepEqual(steps(last, [hostRecord("b")]), { "shard/0": "(b)", "shard/1": "(b)" });
    const drained = [hostRecord("a", { state: "draining" }), hostRecord("b")];
    assert.deepEqual(steps(last, drained), { "shard/0": "a>b" });
  }
});

Deno.test("hosts are not evened out while a plan is carried out, and a drained host is emptied", () => {
  // The plan was made while `a` was drained: it leaves the hosts uneven.
  const moves = [{ key: "shard/0", from: "a", to: "b" }, { key: "shard/1", from: "a", to: "b" }];
  const applied = plan({ moves: moves as PlanDocument["moves"] });
  const placements = { "shard/0": active("b"), "shard/1": moving("a", "b", "filling") };
  const options = { balances: true };
  assert.deepEqual(stepsOf({ plan: applied, placements }, options), []);
  const toC = plan({ moves: [{ key: "shard/1", from: "a", to: "c" }] });
  const hosts = [hostRecord("a"), hostRecord("b", { state: "draining" }), hostRecord("c")];
  const copied = { ...placements, "shard/1": moving("a", "c", "filling") };
  assert.deepEqual(placesOf(stepsOf({ hosts, plan: toC, placements: copied }, options)), {
    "shard/0": "b>a",
  });
  const both = { "shard/0": active("b"), "shard/1": active("b") };
  const [done] = stepsOf({ plan: applied, placements: both }, options);
  assert.deepEqual(endOf(done), { state: "done" });
  const after = { plan: plan({ moves: applied.moves, state: "done" }), placements: both };
  assert.deepEqual(placesOf(stepsOf(after, options)), { "shard/0": "b>a" });
});

Deno.test("a host above its capacity is relieved beside a plan that cannot go on, of other shards", () => {
  const bytes = 2 ** 20;
  const sized = (shards: readonly number[]) =>
    Object.fromEntries(shards.flatMap((shard) => [
      [`shard/${shard}.rows`, 1],
      [`shard/${shard}.bytes`, bytes],
    ]));
  const hosts = [
    hostRecord("a", { capacityBytes: 4 * bytes, load: sized([0]) }),
    hostRecord("b", { capacityBytes: 3 * bytes, load: sized([1, 2, 3]) }),
    hostRecord("c", { capacityBytes: 4 * bytes }),
  ];
  const toB = { key: "shard/0", from: "a", to: "b" } as const;
  const placements = {
    "shard/0": active("a"),
    "shard/1": active("b"),
    "shard/2": active("b"),
    "shard/3": active("b"),
  };
  const planned = (...moves: PlanDocument["moves"]) =>
    plan({ moves: [toB, ...moves], movesMax: 0 });
  const steps = (last: PlanDocument, balances = true) =>
    placesOf(stepsOf({ hosts, plan: last, placements }, { balances }));
  assert.deepEqual(steps(planned()), { "shard/1": "b>a" }, "the plan would fill b");
  assert.deepEqual(steps(planned(), false), {});
  const relief = { key: "shard/1", from: "b", to: "c" } as const;
  assert.deepEqual(steps(planned(relief)), {}, "the plan relieves b itself");
  const trainer = { key: "trainer/0", from: "a", to: "b" } as const;
  const full = stepsOf({
    hosts: [hosts[0], hostRecord("b", { ...hosts[1], load: sized([0, 1, 2, 3]) }), hosts[2]],
    plan: planned(trainer),
    placements: { ...placements, "shard/0": active("b", 2), "trainer/0": active("a") },
  }, { balances: true });
  assert.deepEqual(placesOf(full), { "shard/1": "b>a" }, "shard 0 is where the plan has it");
});

Deno.test("a plan of shards that the mesh has no more moves none of those in their place", () => {
  const trainer = { key: "trainer/0", from: "a", to: "b" } as const;
  const mixed = plan({ moves: [...plan().moves, { key: "shard/7", from: "a", to: "b" }, trainer] });
  const placements = { "shard/0": active("a"), "shard/1": active("a"), "trainer/0": active("a") };
  const at = (sharding: number) => placesOf(stepsOf({ plan: mixed, placements, sharding }));
  assert.deepEqual(at(0), { "shard/0": "a>b" });
  assert.deepEqual(at(1), { "trainer/0": "(b)" });
  const moved = { ...placements, "trainer/0": active("b") };
  for (const parts of [{ plan: plan(), placements }, { plan: mixed, placements: moved }]) {
    const [end] = stepsOf({ ...parts, sharding: 1 });
    assert.deepEqual(endOf(end), { state: "incomplete" });
    assert.ok(end.kind === "writePlan");
    const { moves } = end.document as unknown as PlanDocument;
    assert.equal(moves.length, parts.plan.moves.length, "the plan keeps the moves that it had");
  }
});
