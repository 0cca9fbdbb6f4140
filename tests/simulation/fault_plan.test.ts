import assert from "node:assert/strict";
import fc from "fast-check";
import { faultFamilies } from "../../simulation/plan/fault.ts";
import { drawFaultPlan } from "../../simulation/plan/fault_plan.ts";
import { REDIS_CLOCK } from "../../simulation/plan/host_clocks.ts";

const targets = {
  nodes: ["main", "serving"],
  actors: ["joiner/0", "trainer/0"],
  interruptible: [{ node: "main", actor: "joiner/0", messages: ["eventsAppended"] }],
  reconfigurations: [{ "shards.count": 3 }],
  hosts: [],
};

Deno.test("a seed gives one plan, in the order of time", () => {
  fc.assert(fc.property(fc.nat(), (seed) => {
    const plan = drawFaultPlan({ seed, forMs: 60_000, targets });
    assert.deepEqual(drawFaultPlan({ seed, forMs: 60_000, targets }), plan);
    const times = plan.map(({ atMs }) => atMs);
    assert.deepEqual(times, times.toSorted((a, b) => a - b));
    assert.ok(times.every((atMs) => atMs < 60_000));
  }));
});

Deno.test("a family that is switched off leaves the faults of the others as they are", () => {
  fc.assert(
    fc.property(fc.nat(), fc.subarray([...faultFamilies]), (seed, families) => {
      const all = drawFaultPlan({ seed, forMs: 60_000, targets, families: faultFamilies });
      const some = drawFaultPlan({ seed, forMs: 60_000, targets, families });
      const expected = families.flatMap((family) =>
        drawFaultPlan({ seed, forMs: 60_000, targets, families: [family] })
      );
      assert.equal(some.length, expected.length);
      for (const fault of some) assert.ok(all.some((each) => same(each, fault)));
    }),
  );
});

Deno.test("in a mesh a clock steps at one host, by less than clocks may differ", () => {
  const mesh = { ...targets, hosts: ["edge", "table"] };
  fc.assert(fc.property(fc.nat(), (seed) => {
    for (
      const fault of drawFaultPlan({ seed, forMs: 60_000, targets: mesh, families: ["clock"] })
    ) {
      assert.ok(fault.kind === "stepHostClock");
      assert.ok([...mesh.hosts, REDIS_CLOCK].includes(fault.host));
      assert.ok(Math.abs(fault.toMs) < 5_000, "two clocks are less than 10 s apart");
    }
  }));
});

Deno.test("faults of all families strike a mesh by kinds that a mesh can suffer", () => {
  const mesh = { ...targets, hosts: ["edge", "table"] };
  const ofOneProcess: readonly string[] = [
    "killProcess",
    "restartProcess",
    "slowLinks",
    "slowDisk",
    "failWrites",
    "failSyncs",
    "flipRead",
    "stepClock",
  ];
  const seen = new Set<string>();
  fc.assert(fc.property(fc.nat(), (seed) => {
    const plan = drawFaultPlan({ seed, forMs: 60_000, targets: mesh, families: faultFamilies });
    for (const { kind } of plan) {
      seen.add(kind);
      assert.ok(!ofOneProcess.includes(kind), kind);
    }
  }));
  assert.ok(seen.has("refuseAppends") && seen.has("refuseBlobs"));
});

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
