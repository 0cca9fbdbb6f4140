import assert from "node:assert/strict";
import fc from "fast-check";
import { wholeReach } from "../../../mesh/placement/host_reach.ts";
import { countedBytes } from "../../../mesh/placement/host_loads.ts";
import {
  changesOf,
  isSettled,
  type PlacementPlan,
  type ShardDecision,
} from "../../../mesh/placement/placement_plan.ts";
import { type PlannerOptions, planPlacement } from "../../../mesh/placement/plan_placement.ts";
import {
  type HostView,
  ownerOf,
  type ShardPlacement,
  type ShardView,
} from "../../../mesh/placement/views.ts";

const MIB = 2 ** 20;
const unlimited: PlannerOptions = { spreadMax: 0.1, movesMax: Infinity };

function host(name: string, changes: Partial<HostView> = {}): HostView {
  return {
    host: name,
    state: "up",
    ownsShards: true,
    capacityBytes: 1024 * MIB,
    ...wholeReach,
    ...changes,
  };
}

function active(shard: number, owner: string, bytes = 10 * MIB): ShardView {
  return { shard, placement: { kind: "active", owner, epoch: 1 }, rows: bytes / 128, bytes };
}

function unassigned(shard: number, bytes = 10 * MIB): ShardView {
  return { shard, placement: { kind: "unassigned", epoch: 0 }, rows: bytes / 128, bytes };
}

/** The shards after the plan's changes are carried out. */
function applied(shards: readonly ShardView[], plan: PlacementPlan): ShardView[] {
  const to = new Map(changesOf(plan).map((change) => [change.shard, change.to]));
  return shards.map((view) => {
    const owner = to.get(view.shard);
    if (owner === undefined) return view;
    return { ...view, placement: { kind: "active", owner, epoch: view.placement.epoch + 1 } };
  });
}

function kinds(plan: PlacementPlan): string[] {
  return plan.shards.map(({ kind }) => kind);
}

function decision(plan: PlacementPlan, shard: number): ShardDecision {
  return plan.shards.find((each) => each.shard === shard)!;
}

Deno.test("a new mesh gives every shard a host, as many to each", () => {
  const shards = Array.from({ length: 64 }, (_, shard) => unassigned(shard, 0));
  const plan = planPlacement(["a", "b", "c", "d"].map((name) => host(name)), shards);
  assert.ok(kinds(plan).every((kind) => kind === "restores"));
  assert.deepEqual(plan.hosts.map(({ shardsAfter }) => shardsAfter), [16, 16, 16, 16]);
});

Deno.test("balanced hosts keep their shards, and each one says why", () => {
  const shards = [active(0, "a"), active(1, "b"), active(2, "a"), active(3, "b")];
  const plan = planPlacement([host("a"), host("b")], shards);
  assert.ok(isSettled(plan));
  assert.match(decision(plan, 0).reason, /differ by 0 % of the mean/);
});

Deno.test("a host that joins gets its share, and no other shard moves", () => {
  const shards = Array.from({ length: 8 }, (_, shard) => active(shard, shard < 4 ? "a" : "b"));
  const plan = planPlacement([host("a"), host("b"), host("c")], shards, unlimited);
  assert.deepEqual(plan.hosts.map(({ shardsAfter }) => shardsAfter), [3, 3, 2]);
  const moves = changesOf(plan);
  assert.equal(moves.length, 2);
  assert.ok(moves.every(({ kind, to }) => kind === "moves" && to === "c"));
  assert.match(moves[0].reason, /a is filled to 3.9 % and c to 0 %/);
});

Deno.test("more moves than are allowed at a time wait, and say so", () => {
  const shards = Array.from({ length: 8 }, (_, shard) => active(shard, "a"));
  const plan = planPlacement([host("a"), host("b")], shards, { spreadMax: 0.1, movesMax: 2 });
  assert.equal(changesOf(plan).length, 2);
  const waiting = plan.shards.filter(({ kind }) => kind === "waits");
  assert.equal(waiting.length, 2);
  assert.match(waiting[0].reason, /at most 2 shards move at a time/);
});

Deno.test("moves under way count against the limit, and are left alone", () => {
  const moving: ShardView = {
    ...active(0, "a"),
    placement: {
      kind: "moving",
      owner: "a",
      target: "b",
      epoch: 1,
    },
  };
  const shards = [moving, ...Array.from({ length: 7 }, (_, i) => active(i + 1, "a"))];
  const plan = planPlacement([host("a"), host("b")], shards, { spreadMax: 0.1, movesMax: 2 });
  assert.equal(decision(plan, 0).kind, "underway");
  assert.equal(changesOf(plan).length, 1);
});

Deno.test("a draining host gives up every shard and gets none", () => {
  const shards = [active(0, "a"), active(1, "a"), active(2, "b"), active(3, "c")];
  const hosts = [host("a", { state: "draining" }), host("b"), host("c")];
  const plan = planPlacement(hosts, shards, unlimited);
  assert.deepEqual(changesOf(plan).map(({ shard, to }) => [shard, to]), [[0, "b"], [1, "c"]]);
  assert.match(decision(plan, 0).reason, /^a is draining; b has the most room/);
});

Deno.test("a shard whose host is gone is restored elsewhere, before any move", () => {
  const shards = [active(0, "a"), active(1, "a"), active(2, "a"), active(3, "x")];
  const hosts = [host("a"), host("b"), host("x", { state: "gone" })];
  const plan = planPlacement(hosts, shards, unlimited);
  assert.deepEqual(changesOf(plan)[0], {
    kind: "restores",
    shard: 3,
    from: "x",
    to: "b",
    rows: shards[3].rows,
    bytes: shards[3].bytes,
    reason: "its host x is gone; b has the most room (0 % full before)",
  });
});

Deno.test("a shard that no host has room for is named, with the remedy", () => {
  const small = host("b", { capacityBytes: 5 * MIB });
  const plan = planPlacement([host("a", { state: "draining" }), small], [active(0, "a")]);
  const { kind, reason } = decision(plan, 0);
  assert.equal(kind, "unplaced");
  assert.equal(
    reason,
    "a is draining, and no host has room for its 10 MiB: add a host, or raise capacity",
  );
  const empty = planPlacement([], [unassigned(0)]);
  assert.match(decision(empty, 0).reason, /no host is up that may own shards/);
});

Deno.test("a host above its capacity gives shards away", () => {
  const shards = [active(0, "a"), active(1, "a"), active(2, "a")];
  const hosts = [host("a", { capacityBytes: 25 * MIB }), host("b", { capacityBytes: 12 * MIB })];
  const plan = planPlacement(hosts, shards, { spreadMax: Infinity, movesMax: 9 });
  assert.equal(changesOf(plan).length, 1);
  assert.match(changesOf(plan)[0].reason, /a holds 30 MiB, more than its capacity of 25 MiB/);
});

Deno.test("one shard that is larger than all others together moves nothing in circles", () => {
  const shards = [active(0, "a", 500 * MIB), active(1, "b", 10 * MIB), active(2, "b", 10 * MIB)];
  const plan = planPlacement([host("a"), host("b")], shards, unlimited);
  assert.ok(isSettled(plan));
  assert.match(decision(plan, 0).reason, /no move of a whole shard brings the hosts closer/);
});

Deno.test("a shard moves in a later round when its room is only free then", () => {
  const hosts = [
    host("a", { state: "draining", capacityBytes: 30 * MIB }),
    host("b", { capacityBytes: 30 * MIB }),
    host("c", { capacityBytes: 30 * MIB }),
  ];
  const shards: ShardView[] = [
    active(0, "a", 20 * MIB),
    active(1, "b", 20 * MIB),
    { ...active(2, "b", 8 * MIB), placement: movingTo("b", "c") },
  ];
  const plan = planPlacement(hosts, shards, unlimited);
  assert.equal(decision(plan, 2).kind, "underway");
  assert.equal(decision(plan, 0).kind, "moves");
});

function movingTo(owner: string, target: string): ShardPlacement {
  return { kind: "moving", owner, target, epoch: 1 };
}

Deno.test("a move whose target is gone is given up, and one whose owner is gone ends there", () => {
  const gone = host("x", { state: "gone" });
  const shards: ShardView[] = [
    { ...active(0, "a"), placement: movingTo("a", "x") },
    { ...active(1, "x"), placement: movingTo("x", "a") },
  ];
  const plan = planPlacement([host("a"), gone], shards);
  assert.equal(
    decision(plan, 0).reason,
    "x is gone: its move is given up, and it stays on a",
  );
  assert.equal(decision(plan, 1).reason, "x is gone during its move: a takes it over");
});

/** A host that no host of a role reaches: `a` has no link with it. */
const cutOff = { unreached: 1, unreachedBy: ["a"], noCopies: ["a"] };

Deno.test("a lost shard goes to a host with room that the fewest others lack a link with", () => {
  const hosts = [
    host("a"),
    host("b", { unreached: 0.5, unreachedBy: ["a", "e"] }),
    host("c", cutOff),
    host("x", { state: "gone" }),
  ];
  const shards = [active(0, "a"), active(1, "x")];
  const to = (changes: Partial<HostView>) => {
    const [, ...others] = hosts;
    return decision(planPlacement([host("a", changes), ...others], shards, unlimited), 1);
  };
  assert.deepEqual({ ...to({}), rows: 0 }, {
    kind: "restores",
    shard: 1,
    from: "x",
    to: "a",
    rows: 0,
    bytes: 10 * MIB,
    reason: "its host x is gone; a has the most room (0.98 % full before); " +
      "a and e have no link with b; a has no link with c",
  });
  const full = { capacityBytes: 15 * MIB };
  const second = to(full);
  assert.ok(second.kind === "restores" && second.to === "b");
  // Better than nowhere: the link may come back.
  const only = planPlacement([host("a", full), host("c", cutOff)], shards);
  assert.ok(changesOf(only).some(({ shard, to }) => shard === 1 && to === "c"));
});

Deno.test("a host that others cannot reach neither gets shards nor gives any to even the hosts", () => {
  const shards = [0, 1, 2, 3].map((shard) => active(shard, "a"));
  const hosts = [host("a"), host("b"), host("c", cutOff)];
  const plan = planPlacement(hosts, shards, unlimited);
  assert.deepEqual(plan.hosts.map(({ shardsAfter }) => shardsAfter), [2, 2, 0]);
  const even = planPlacement(hosts, [active(0, "a"), active(1, "b")]);
  assert.ok(isSettled(even));
  assert.match(decision(even, 0).reason, /within 10 %; a has no link with c$/);
  const kept = planPlacement(hosts, [active(0, "a"), active(1, "b"), active(2, "c")]);
  assert.ok(isSettled(kept));
  assert.equal(
    decision(kept, 2).reason,
    "a has no link with c: it goes to another host with room if that lasts",
  );
});

Deno.test("a drained host gives no shard to one that is cut off, or that it cannot copy to", () => {
  const draining = host("a", { state: "draining" });
  const left = (other: Partial<HostView>) =>
    decision(planPlacement([draining, host("b", other)], [active(0, "a")]), 0);
  const { kind, reason } = left({ ...cutOff, unreachedBy: ["d", "e"], noCopies: [] });
  assert.deepEqual([kind, reason], [
    "unplaced",
    "a is draining, and b has room, but d and e have no link with b",
  ]);
  assert.equal(
    left({ noCopies: ["a"] }).reason,
    "a is draining, and b has room, but no link with a",
  );
  assert.equal(left({ unreached: 0.5, unreachedBy: ["e"] }).kind, "moves");
});

// ---- properties

const hostNames = ["a", "b", "c", "d", "e"] as const;

/** Most hosts are reached by all others. */
const reachArbitraries = {
  unreached: fc.constantFrom(0, 0, 0, 0.5, 1),
  unreachedBy: fc.constant(["e"]),
  noCopies: fc.constantFrom<readonly string[]>([], [], [], ["a"], ["b", "c"]),
};

const hostsArbitrary = fc.tuple(
  ...hostNames.map((name) =>
    fc.record({
      host: fc.constant(name as string),
      state: fc.constantFrom<HostView["state"]>("up", "up", "up", "draining", "gone"),
      ownsShards: fc.boolean().map((value) => value || name === "a"),
      capacityBytes: fc.integer({ min: 1, max: 400 }).map((mib) => mib * MIB),
      ...reachArbitraries,
    })
  ),
);

const shardsArbitrary = fc.array(
  fc.record({
    owner: fc.option(fc.constantFrom<string>(...hostNames, "unknown"), { nil: undefined }),
    target: fc.constantFrom<string>(...hostNames),
    state: fc.constantFrom("active", "active", "active", "restoring", "moving"),
    bytes: fc.integer({ min: 0, max: 60 * MIB }),
  }),
  { maxLength: 24 },
).map((shards) =>
  shards.map(({ owner, target, state, bytes }, shard): ShardView => {
    const placement = (): ShardPlacement => {
      if (owner === undefined) return { kind: "unassigned", epoch: 0 };
      if (state === "restoring") return { kind: "restoring", owner, epoch: 2 };
      if (state === "moving" && target !== owner) {
        return { kind: "moving", owner, target, epoch: 3 };
      }
      return { kind: "active", owner, epoch: 1 };
    };
    return { shard, placement: placement(), rows: bytes >> 7, bytes };
  })
);

const movesMaxArbitrary = fc.constantFrom(1, 2, 5, Infinity);

Deno.test("every shard has one decision with a reason, and every host its sums", () => {
  fc.assert(
    fc.property(hostsArbitrary, shardsArbitrary, movesMaxArbitrary, (hosts, shards, movesMax) => {
      const plan = planPlacement(hosts, shards, { spreadMax: 0.1, movesMax });
      assert.deepEqual(plan.shards.map(({ shard }) => shard), shards.map(({ shard }) => shard));
      for (const { reason } of plan.shards) assert.ok(reason.length > 10);
      assert.equal(changesOf(plan).filter(({ kind }) => kind === "moves").length <= movesMax, true);
    }),
  );
});

Deno.test("shards go only to hosts that are up, own shards and have room", () => {
  fc.assert(
    fc.property(hostsArbitrary, shardsArbitrary, movesMaxArbitrary, (hosts, shards, movesMax) => {
      const plan = planPlacement(hosts, shards, { spreadMax: 0.1, movesMax });
      for (const { to } of changesOf(plan)) {
        const view = hosts.find((each) => each.host === to)!;
        assert.ok(view.state === "up" && view.ownsShards);
      }
      // At no moment of the round, with its departures still there.
      for (const view of hosts) {
        const arrivals = changesOf(plan).filter(({ to }) => to === view.host);
        if (arrivals.length === 0) continue;
        const held = shards.filter(({ placement }) =>
          ownerOf(placement) === view.host ||
          placement.kind === "moving" && placement.target === view.host
        );
        const bytes = [...held, ...arrivals].reduce((sum, each) => sum + countedBytes(each), 0);
        const restoring = arrivals.some(({ kind }) => kind === "restores");
        if (!restoring) assert.ok(bytes <= view.capacityBytes);
      }
    }),
  );
});

Deno.test("shards go to the hosts with room that the fewest lack a link with, and no move is in vain", () => {
  fc.assert(
    fc.property(hostsArbitrary, shardsArbitrary, movesMaxArbitrary, (drawn, shards, movesMax) => {
      const hosts = drawn.map((each) => ({ ...each, capacityBytes: 10_000 * MIB }));
      const open = hosts.filter(({ state, ownsShards }) => state === "up" && ownsShards);
      const fewest = Math.min(...open.map(({ unreached }) => unreached));
      const of = (name: string) => hosts.find((each) => each.host === name)!;
      for (const change of changesOf(planPlacement(hosts, shards, { spreadMax: 0.1, movesMax }))) {
        const to = of(change.to);
        if (change.kind === "restores") assert.equal(to.unreached, fewest);
        else {
          assert.ok(!to.noCopies.includes(change.from));
          assert.ok(to.unreached < 1 || of(change.from).unreached === 1);
        }
      }
    }),
  );
});

Deno.test("a settled mesh plans nothing, and rounds settle it", () => {
  fc.assert(
    fc.property(hostsArbitrary, shardsArbitrary, movesMaxArbitrary, (hosts, shards, movesMax) => {
      const ended = shards.map((view): ShardView => {
        const owner = ownerOf(view.placement);
        return owner === undefined
          ? view
          : { ...view, placement: { kind: "active", owner, epoch: view.placement.epoch } };
      });
      let current: readonly ShardView[] = ended;
      for (let rounds = 0;; rounds++) {
        assert.ok(rounds < 200, "rounds end");
        const plan = planPlacement(hosts, current, { spreadMax: 0.1, movesMax });
        if (changesOf(plan).length === 0) return;
        current = applied(current, plan);
      }
    }),
  );
});

Deno.test("a drain empties the host where the others have room", () => {
  fc.assert(fc.property(shardsArbitrary, (shards) => {
    const roomy = hostNames.map((name) =>
      host(name, { state: name === "b" ? "draining" : "up", capacityBytes: 10_000 * MIB })
    );
    let current = shards.map((view): ShardView => ({
      ...view,
      placement: { kind: "active", owner: ownerOf(view.placement) ?? "b", epoch: 1 },
    }));
    for (let round = 0; round < 30; round++) {
      current = applied(current, planPlacement(roomy, current, { spreadMax: 0.1, movesMax: 3 }));
    }
    assert.ok(current.every(({ placement }) => ownerOf(placement) !== "b"));
  }));
});

Deno.test("no shard of a balanced and healthy mesh moves", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 8 }), (hosts, each) => {
      const views = hostNames.slice(0, hosts).map((name) => host(name));
      const shards = Array.from(
        { length: hosts * each },
        (_, shard) => active(shard, hostNames[shard % hosts]),
      );
      assert.ok(isSettled(planPlacement(views, shards)));
    }),
  );
});

Deno.test("a plan does not depend on the order of its input", () => {
  fc.assert(fc.property(hostsArbitrary, shardsArbitrary, (hosts, shards) => {
    const plan = planPlacement(hosts, shards);
    assert.deepEqual(planPlacement(hosts.toReversed(), shards.toReversed()), plan);
  }));
});
