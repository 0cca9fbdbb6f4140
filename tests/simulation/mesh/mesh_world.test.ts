/**
 * The world of several hosts: its runs repeat, its faults strike, and a user's test can have it.
 */
import assert from "node:assert/strict";
import type { Fault } from "../../../simulation/plan/fault.ts";
import type { MeshWorld } from "../../../simulation/mesh/mesh_world.ts";
import { drawRunPlan } from "../../../simulation/plan/run_plan.ts";
import { run } from "../../../simulation/run.ts";
import { meshErasureScenarios } from "../../../simulation/scenarios/mesh_erasure_scenarios.ts";
import { meshLossScenarios } from "../../../simulation/scenarios/mesh_loss_scenarios.ts";
import { meshScenarios } from "../../../simulation/scenarios/mesh_scenarios.ts";
import { meshShop, sixHosts, twoHosts } from "../../../simulation/scenarios/mesh_shop.ts";
import { visitShop } from "../../../simulation/scenarios/shop.ts";
import { always, simulate, sometimes } from "../../../simulation/mod.ts";
import { present } from "../../../structures/invariant.ts";

const swarm = present(meshScenarios.find(({ name }) => name === "mesh-swarm"), "it ships");

Deno.test("two runs of a plan of a mesh take the same course", async () => {
  const plan = drawRunPlan({ seed: 3, scenario: swarm, forMs: 8_000 });
  const [first, second] = [await run(plan, swarm), await run(plan, swarm)];
  assert.equal(first.kind, "passed", first.message);
  assert.equal(first.traceHash, second.traceHash);
  assert.equal(first.events, second.events);
});

Deno.test("a host that dies loses its shards to the other one, and a test sees it", async () => {
  const faults: Fault[] = [
    { kind: "killHost", atMs: 3_000, host: "table", power: true, downMs: 8_000 },
  ];
  const hosts = new Set<string>();
  const simulation = await simulate({
    seed: 5,
    mesh: meshShop(twoHosts),
    faults,
    forMs: 9_000,
    healMs: 60_000,
    workload: visitShop,
    checks: () => [
      always("messages are for actors", ({ actor }) => actor.includes("/") ? undefined : actor),
      sometimes("a shard was made", ({ actor }) => {
        hosts.add(actor);
        return actor === "embedding_shard/1";
      }),
    ],
  });
  simulation.assertPassed();
  assert.deepEqual(simulation.missed, []);
  assert.ok(hosts.has("joiner/0") && hosts.has("serving_replica/1@edge"));
});

Deno.test("a fault that no host can have is named", async () => {
  const simulation = await simulate({
    seed: 1,
    mesh: meshShop(twoHosts),
    faults: [{ kind: "killProcess", atMs: 1_000, power: false, downMs: 10 }],
    forMs: 2_000,
    workload: () => Promise.resolve(),
    shrinkRunsMax: 0,
  });
  assert.match(simulation.failure?.message ?? "", /killProcess strikes one process/);
});

Deno.test("a drain that outlasts a run ends when the world heals, and the end finds the shards spread", async () => {
  const draining: Fault = { kind: "drainHost", atMs: 3_000, host: "table-1", forMs: 30_000 };
  const drawn = drawRunPlan({ seed: 2, scenario: swarm, families: [], forMs: 6_000 });
  let found: string[] = [];
  const outcome = await run({ ...drawn, faults: [draining] }, {
    ...swarm,
    // Asked last before the checks of the end.
    async pending(world) {
      const { hosts, placements } = await (world as MeshWorld).coordination().read();
      const owners = [...placements].flatMap(([key, placement]) =>
        key.startsWith("shard/") && placement.state === "active" ? placement.owner.host : []
      );
      found = [...new Set(owners)].sort().map((host) => `${host} is ${hosts.get(host)?.state}`);
      return undefined;
    },
  });
  assert.deepEqual([outcome.kind, outcome.message], ["passed", undefined]);
  assert.deepEqual(found, ["table-1 is up", "table-2 is up"]);
});

Deno.test("a fail-over that loses the mesh itself is one that its hosts make anew", async () => {
  const drawn = drawRunPlan({ seed: 7, scenario: swarm, families: [], forMs: 9_000 });
  const plan = {
    ...drawn,
    faults: [
      { kind: "failOverRedis", atMs: 76, lostMs: 1_145, downMs: 1 },
      { kind: "crashActor", atMs: 6_000, actor: "embedding_shard/1" },
    ] satisfies Fault[],
  };
  const { kind, message } = await run(plan, swarm);
  assert.deepEqual([kind, message], ["passed", undefined]);
});

Deno.test("hosts that begin between a fail-over and its acceptance bring no snapshot of lost examples back", async () => {
  const scenario = present(
    meshLossScenarios.find(({ name }) => name === "lost-redis-tail"),
    "it ships",
  );
  const drawn = drawRunPlan({ seed: 1, scenario, forMs: 12_000 });
  // Each host forgets the examples before Redis is back, so none refuses to append.
  const killed = Object.keys(sixHosts).map((host): Fault => {
    return { kind: "killHost", atMs: 7_000, host, power: false, downMs: 5 };
  });
  const lost: Fault = {
    kind: "failOverRedis",
    atMs: 7_000,
    lostMs: 2_500,
    downMs: 1,
    noticedMs: 8_000,
  };
  const { kind, message } = await run({ ...drawn, faults: [lost, ...killed] }, scenario);
  assert.deepEqual([kind, message], ["passed", undefined]);
});

Deno.test("erasures of a host that stays away are taken over, and no trace of an erased user is left", async () => {
  const scenario = present(
    meshErasureScenarios.find(({ name }) => name === "erasing-hosts-die"),
    "it ships",
  );
  const drawn = drawRunPlan({ seed: 1, scenario });
  // Away for longer than erasures wait for a host, and back long before the end of the run.
  const away = {
    kind: "killHost",
    atMs: 5_000,
    host: "edge-1",
    power: true,
    downMs: 38_000,
  } as const;
  const { kind, message, world } = await run({ ...drawn, faults: [away] }, scenario);
  assert.deepEqual([kind, message], ["passed", undefined]);
  assert.ok(world.telemetry.lines(/the erasure .* was taken over from edge-#/) > 0);
  assert.ok(world.telemetry.lines(/the erasure .* is complete/) > 0);
});
