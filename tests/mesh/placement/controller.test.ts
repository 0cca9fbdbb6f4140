import assert from "node:assert/strict";
import type {
  HostRecord,
  HostRun,
  MovePhase,
  PlacedKey,
  Placement,
} from "../../../mesh/ports/coordination.ts";
import { Controller, defaultControllerOptions } from "../../../mesh/placement/controller.ts";
import type { ControllerStep } from "../../../mesh/placement/controller_steps.ts";
import type { PlanDocument } from "../../../mesh/placement/plan_document.ts";
import { hostRecord, meshView, type ViewParts } from "./mesh_view.ts";

const options = { ...defaultControllerOptions, patienceMs: 10_000 };
const run = (host: string): HostRun => ({ host, incarnation: `${host}-1` });
const active = (host: string, epoch = 1): Placement => ({
  state: "active",
  owner: run(host),
  epoch,
});
const moving = (owner: string, target: string, phase: MovePhase): Placement => ({
  state: "moving",
  owner: run(owner),
  target: run(target),
  phase,
  epoch: 1,
});

/** The steps of a controller that has been in contact with the store for long. */
function stepsOf(parts: ViewParts, changes: Partial<typeof options> = {}): ControllerStep[] {
  const controller = new Controller({ ...options, ...changes });
  controller.observe(meshView({ ...parts, nowMs: 0 }));
  return controller.observe(meshView(parts));
}

/** The plan that a step writes: its state, and the parts that it did not move. */
function endOf(step: ControllerStep): Partial<PlanDocument> {
  assert.ok(step.kind === "writePlan");
  const { state, elsewhere } = step.document as unknown as PlanDocument;
  return { state, ...(elsewhere && { elsewhere }) };
}

/** The placements that steps lead to, as `owner`, `owner>target` or `(owner)` while it restores. */
function placesOf(steps: readonly ControllerStep[]): Record<string, string> {
  const changes = steps.flatMap((step) => step.kind === "place" ? step.changes : []);
  return Object.fromEntries(changes.map(({ key, next }) => {
    switch (next.state) {
      case "unassigned":
        return [key, "-"];
      case "restoring":
        return [key, `(${next.owner.host})`];
      case "active":
        return [key, next.owner.host];
      case "moving":
        return [key, `${next.owner.host}>${next.target.host}`];
    }
  }));
}

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

const restoring = (host: string, epoch = 1): Placement => ({
  state: "restoring",
  owner: run(host),
  epoch,
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

/** Hosts with shards, of which `a` and `b` also train; `without` have no link with `c`. */
const unlinkedFrom = (...without: readonly string[]) =>
  ["a", "b", "c", "d"].map((host) =>
    hostRecord(host, {
      roles: host < "c" ? ["shards", "trainer"] : ["shards"],
      unlinked: without.includes(host) ? [run("c")] : [],
    })
  );

Deno.test("a shard whose host no trainer reaches for two minutes goes to another host, and the mesh goes back", () => {
  const controller = new Controller(options);
  const at = (nowMs: number, ...without: readonly string[]) =>
    controller.observe(
      meshView({ nowMs, hosts: unlinkedFrom(...without), placements: { "shard/0": active("c") } }),
    );
  assert.deepEqual(at(0), []);
  assert.deepEqual(at(10_000, "a", "b"), []);
  assert.deepEqual(at(129_999, "a", "b"), []);
  assert.deepEqual(at(130_000, "a"), [], "one of them reaches it again");
  assert.deepEqual(at(140_000, "a", "b"), []);
  const steps = at(260_000, "a", "b");
  assert.deepEqual(placesOf(steps), { "shard/0": "(a)" });
  assert.ok(steps[0].kind === "place" && steps[0].rewind);
  assert.equal(
    steps[0].reason,
    "a and b have had no link with c for 120000 ms: a takes shard/0 over",
  );
});

Deno.test("a shard stays on a host that is cut off while no other host is better, or the store was away", () => {
  const hosts = [
    hostRecord("a", { roles: ["trainer"], unlinked: [run("c"), run("d")] }),
    hostRecord("c", { roles: ["shards"], unlinked: [run("a")] }),
    hostRecord("d", { roles: ["shards"], unlinked: [run("a")] }),
  ];
  const placements = { "shard/0": active("c") };
  const controller = new Controller(options);
  const at = (nowMs: number, hosts: readonly HostRecord[]) =>
    placesOf(controller.observe(meshView({ nowMs, hosts, placements })));
  for (const nowMs of [0, 60_000, 120_000, 180_000]) assert.deepEqual(at(nowMs, hosts), {});
  const [a, ...tables] = hosts;
  const better = [{ ...a, unlinked: [run("c")] }, ...tables];
  controller.lostContact();
  assert.deepEqual(at(200_000, better), {}, "it could not tell while the store was away");
  assert.deepEqual(at(210_000, better), { "shard/0": "(d)" });
  // The reports of a host whose lease has expired, and about an earlier run, say nothing.
  const silent = [hostRecord("a", { unlinked: [run("c")], expiresMs: 1 }), ...tables];
  const earlier = [{ ...a, unlinked: [{ host: "c", incarnation: "c-0" }] }, ...tables];
  for (const each of [silent, earlier]) {
    const fresh = new Controller({ ...options, patienceMs: 1e9 });
    const seen = [0, 200_000].map((nowMs) =>
      fresh.observe(meshView({ nowMs, hosts: each, placements }))
    );
    assert.deepEqual(seen, [[], []]);
  }
});

Deno.test("a trainer whose host no table reaches goes to another host without a rewind", () => {
  const hosts = ["a", "b"].map((host) => hostRecord(host, { roles: ["trainer"] }));
  const tables = hostRecord("c", { roles: ["shards"], unlinked: [run("a")] });
  const controller = new Controller(options);
  const placements = { "trainer/0": active("a"), "shard/0": active("c") };
  const at = (nowMs: number) =>
    controller.observe(meshView({ nowMs, hosts: [...hosts, tables], placements }));
  assert.deepEqual(at(0), []);
  const [step] = at(120_000);
  assert.deepEqual(placesOf([step]), { "trainer/0": "(b)" });
  assert.equal(step.kind === "place" && step.rewind, false);
});

Deno.test("no shard is copied between hosts without a link, and a lost one goes where trainers reach it", () => {
  const hosts = unlinkedFrom("a", "b");
  const underway = moving("a", "c", "filling");
  assert.deepEqual(placesOf(stepsOf({ hosts, placements: { "shard/0": underway } })), {
    "shard/0": "a",
  });
  const lost = { "shard/0": active("gone"), "shard/1": active("a"), "shard/2": active("b") };
  assert.deepEqual(placesOf(stepsOf({ hosts, placements: lost })), { "shard/0": "(d)" });
  const moves = [{ key: "shard/0", from: "a", to: "c" }] as const;
  const planned = { hosts, placements: { "shard/0": active("a") }, plan: plan({ moves }) };
  assert.deepEqual(stepsOf(planned), []);
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

const plan = (changes: Partial<PlanDocument> = {}): PlanDocument => ({
  format: 7,
  kind: "apply",
  firstEdition: 7,
  state: "active",
  sharding: 0,
  dealing: 0,
  moves: [{ key: "shard/0", from: "a", to: "b" }, { key: "shard/1", from: "a", to: "b" }],
  movesMax: 1,
  ...changes,
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

const readerPlan = plan({
  moves: [
    { key: "events/0", from: "a", to: "b" },
    { key: "events/1", from: "a", to: "b" },
    { key: "trainer/0", from: "a", to: "b" },
  ],
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
  const hosts = [hostRecord("a"), hostRecord("b", { state: "draining" })];
  assert.deepEqual(placesOf(stepsOf({ hosts, plan: applied, placements }, options)), {
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
  const [done] = stepsOf({ plan: plan(), placements, sharding: 1 });
  assert.deepEqual(endOf(done), { state: "done" });
});

Deno.test("no shard moves while a change of their number is asked for, and lost ones are restored", () => {
  const reshard = {
    parts: "shards",
    division: 1,
    from: 2,
    to: 4,
    state: "asked",
    planBefore: 0,
  } as const;
  const placements = { "shard/0": active("a"), "shard/1": active("a") };
  assert.deepEqual(stepsOf({ placements, reshard }, { balances: true }), []);
  assert.deepEqual(stepsOf({ placements, reshard, plan: plan() }), []);
  const lost = { "shard/0": active("a"), "shard/1": active("c") };
  assert.deepEqual(placesOf(stepsOf({ placements: lost, reshard })), { "shard/1": "(b)" });
});

Deno.test("shards move while a change of the number of trainers is asked for", () => {
  const placements = { "shard/0": active("a"), "shard/1": active("a") };
  const reshard = {
    parts: "trainers",
    division: 1,
    from: 1,
    to: 2,
    state: "asked",
    planBefore: 0,
  } as const;
  const steps = stepsOf({ placements, reshard }, { balances: true });
  assert.deepEqual(placesOf(steps), { "shard/0": "a>b" });
});

Deno.test("the end of a change of a number is recorded once all its parts are there", () => {
  const reshard = {
    parts: "trainers",
    division: 1,
    from: 1,
    to: 2,
    state: "begun",
    planBefore: 0,
  } as const;
  const placements = { "shard/0": active("a"), "trainer/0": active("a"), "trainer/1": active("b") };
  const end = { kind: "endReshard", change: { parts: "trainers", division: 1 } };
  assert.deepEqual(stepsOf({ placements, reshard }), [end]);
  assert.deepEqual(stepsOf({ placements, reshard: { ...reshard, state: "done" } }), []);
  const lost = { ...placements, "trainer/1": { state: "unassigned", epoch: 2 } as const };
  assert.ok(!stepsOf({ placements: lost, reshard }).some(({ kind }) => kind === "endReshard"));
});

Deno.test("a plan of an earlier dealing moves no trainer", () => {
  const moves = [{ key: "trainer/0", from: "a", to: "b" }] as const;
  const placements = { "trainer/0": active("a") };
  assert.deepEqual(placesOf(stepsOf({ placements, plan: plan({ moves }) })), {
    "trainer/0": "(b)",
  });
  const [done] = stepsOf({ placements, plan: plan({ moves }), dealing: 1 });
  assert.ok(done.kind === "writePlan");
});

Deno.test("the shards of a new sharding are spread by an even share of the rows before", () => {
  const loads = { "shard/0.rows": 10, "shard/0.bytes": 800 * 2 ** 20 };
  const hosts = [
    hostRecord("a", { load: loads, capacityBytes: 2 ** 30 }),
    hostRecord("b", { capacityBytes: 2 ** 29 }),
  ];
  const controller = new Controller(options);
  controller.observe(meshView({ nowMs: 0, hosts, placements: { "shard/0": active("a") } }));
  const none: Placement = { state: "unassigned", epoch: 2 };
  const placements = Object.fromEntries(
    [0, 1, 2, 3].map((shard) => [`shard/${shard}`, none]),
  ) as Record<PlacedKey, Placement>;
  const empty = hosts.map((each) => ({ ...each, load: {} }));
  const [step] = controller.observe(meshView({ hosts: empty, placements, sharding: 1 }));
  assert.ok(step.kind === "place" && step.rewind);
  const onB = step.changes.filter(({ next }) =>
    next.state === "restoring" && next.owner.host === "b"
  );
  // Each has 200 MiB: b has room for two, and is filled to the same share as a by one.
  assert.equal(onB.length, 1);
});
