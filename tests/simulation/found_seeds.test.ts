/**
 * Seeds that have failed, with the faults that were left after shrinking: each run must
 * pass.
 */
import assert from "node:assert/strict";
import { drawRunPlan, type RunPlan } from "../../simulation/plan/run_plan.ts";
import { run } from "../../simulation/run.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";
import { present } from "../../structures/invariant.ts";

interface Found {
  readonly name: string;
  readonly scenario: string;
  readonly seed: number;
  /** Parts of the shrunk plan that differ from the drawn one. */
  readonly shrunk: Partial<RunPlan>;
}

const found: readonly Found[] = [{
  name: "a paused host applies rows that a fail-over of Redis has lost",
  scenario: "mesh-swarm",
  seed: 0x7b4188ae7d39,
  shrunk: {
    faults: [
      { kind: "pauseHost", atMs: 603, host: "table-1", forMs: 447 },
      { kind: "failOverRedis", atMs: 847, lostMs: 61, downMs: 1 },
    ],
    clients: ["visitor-1"],
    values: {},
    forMs: 4_000,
  },
}, {
  name: "a start remembers the events that were accepted last, not those that were synced last",
  scenario: "swarm",
  seed: 0x66,
  shrunk: {
    faults: [{ kind: "killProcess", atMs: 1_371, power: true, downMs: 4 }],
    values: {
      "joiner.partitions": 3,
      "trainer.batchRows": 1,
      "trainer.linger": "5ms",
      "gateway.eventsRememberedMax": 8,
      "joiner.window": "1s",
      "joiner.recordsPerTurn": 1,
      "sync.rowsInterval": "10ms",
      "embeddings.evictionInterval": "100ms",
    },
    forMs: 2_056,
    linkMs: 0.02,
    syncMs: 20,
    turnMessagesMax: 1,
  },
}, {
  name: "trainers read all chunks after the wall clock steps back by 24 s",
  scenario: "swarm",
  seed: 2_001,
  shrunk: {
    faults: [{ kind: "stepClock", atMs: 946, byMs: -23_704 }],
    values: { "joiner.partitions": 2, "trainer.chunksPerRead": 1 },
    clients: ["visitor-3"],
    forMs: 1_250,
    linkMs: 0,
    syncMs: 0.1,
    turnMessagesMax: 1_024,
  },
}, {
  name: "trainers read all chunks after the wall clock steps back by 190 s",
  scenario: "swarm",
  seed: 4_001,
  shrunk: {
    faults: [{ kind: "stepClock", atMs: 9_207, byMs: -190_012 }],
    values: { "joiner.partitions": 3, "trainer.chunksPerRead": 1 },
    clients: ["visitor-2", "visitor-3"],
    forMs: 10_000,
    linkMs: 0,
    syncMs: 0.1,
    turnMessagesMax: 1_024,
    shardMailboxMax: 4,
  },
}, {
  name: "a process starts although a shard crashes while a trainer opens its partitions",
  scenario: "several-partitions",
  seed: 0x94ed8,
  shrunk: {
    faults: [
      { kind: "killProcess", atMs: 8_744, power: true, downMs: 324 },
      { kind: "crashActor", atMs: 9_180, actor: "embedding_shard/2" },
    ],
    values: { "shards.count": 4, "trainer.partitions": 6 },
    clients: ["visitor-3"],
    forMs: 9_538,
    linkMs: 0,
    syncMs: 0.1,
    turnMessagesMax: 1_024,
    shardMailboxMax: 1,
  },
}, {
  name: "a process that ends when faults end handles no message of its stall after its end",
  scenario: "swarm",
  seed: 0x1352a7b,
  shrunk: {
    faults: [
      { kind: "failSyncs", atMs: 18_842, area: "examples", forMs: 1_830, downMs: 231 },
      { kind: "stallNode", atMs: 19_842, node: "main", forMs: 523 },
    ],
    values: {},
    clients: [],
    forMs: 20_000,
    linkMs: 0,
    syncMs: 0.1,
    turnMessagesMax: 1_024,
  },
}];

for (const { name, scenario: wanted, seed, shrunk } of found) {
  Deno.test(name, async () => {
    const scenario = present(shippedScenarios.find((each) => each.name === wanted), "it ships");
    const plan = { ...drawRunPlan({ seed, scenario }), ...shrunk };
    const { kind, message } = await run(plan, scenario);
    assert.deepEqual([kind, message], ["passed", undefined]);
  });
}
