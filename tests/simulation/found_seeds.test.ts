/**
 * Seeds that have failed, with the faults that were left after shrinking: each run must
 * pass.
 */
import assert from "node:assert/strict";
import { recommending } from "../../simulation/plan/knobs.ts";
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
  name: "a start remembers the newest events of all partitions after the clock was set back",
  scenario: "swarm",
  seed: 0x3251b6cc42f,
  shrunk: {
    "faults": [
      { "kind": "killProcess", "atMs": 1827, "power": true, "downMs": 105 },
      { "kind": "killProcess", "atMs": 3478, "power": true, "downMs": 1234 },
      { "kind": "stepClock", "atMs": 4921, "byMs": -11844 },
      { "kind": "crashActor", "atMs": 5711, "actor": "scorer/0" },
      { "kind": "killProcess", "atMs": 7560, "power": true, "downMs": 545 },
      { "kind": "crashActor", "atMs": 8356, "actor": "row_feed/0" },
      { "kind": "killProcess", "atMs": 8466, "power": true, "downMs": 488 },
      { "kind": "killProcess", "atMs": 8851, "power": true, "downMs": 4 },
      { "kind": "killProcess", "atMs": 9248, "power": true, "downMs": 172 },
      { "kind": "stepClock", "atMs": 10830, "byMs": -443172 },
      { "kind": "killProcess", "atMs": 12158, "power": false, "downMs": 1051 },
      { "kind": "killProcess", "atMs": 12413, "power": true, "downMs": 35 },
      { "kind": "killProcess", "atMs": 12951, "power": false, "downMs": 1316 },
      { "kind": "killProcess", "atMs": 13009, "power": false, "downMs": 5 },
      { "kind": "killProcess", "atMs": 14724, "power": true, "downMs": 617 },
      { "kind": "killProcess", "atMs": 14830, "power": true, "downMs": 89 },
    ],
    "clients": ["visitor-0", "visitor-1", "visitor-2", "visitor-3"],
    "values": {
      "shards.count": 1,
      "trainer.count": 3,
      "joiner.partitions": 2,
      "trainer.batchRows": 2,
      "trainer.linger": "20ms",
      "trainer.pipelined": true,
      "trainer.chunksPerRead": 1,
      "trainer.averageInterval": "50ms",
      "trainer.shardBudget": "500ms",
      "placement": { "kind": "singleThread" },
      "gateway.eventsRememberedMax": 8,
      "joiner.window": "3s",
      "joiner.negativeSampling.rate": 0.5,
      "joiner.recordsPerTurn": 4,
      "sync.rowsInterval": "300ms",
      "sync.rowsMax": 4,
      "sync.budget": "100ms",
      "storage.snapshots.interval": "3s",
      "storage.snapshots.spread": "0ms",
      "storage.snapshots.chunkRows": 8192,
      "storage.snapshots.increments": 2,
      "storage.snapshots.incrementsShare": 4,
      "embeddings.admission": { "kind": "threshold", "threshold": 2 },
      "embeddings.awaitedBytesMax": "0B",
      "embeddings.evictionInterval": "100ms",
      "model": {
        "kind": "dcnV2",
        "embeddingDim": 2,
        "hidden": [3],
        "tasks": ["bought"],
        "crossLayers": 1,
      },
      "features.slots.hour": { "kind": "time", "part": "hourOfDay" },
      "features.slots.mood": { "kind": "list", "source": "context", "attribute": "tags" },
      "features.slots.clicks_minute": {
        "kind": "numeric",
        "source": "item",
        "buckets": { "kind": "log" },
        "dense": { "kind": "log" },
      },
      "embeddings.serving.precision": "int8",
    },
    "forMs": 15193,
    "linkMs": 0.2,
    "syncMs": 20,
    "turnMessagesMax": 1,
  },
}, {
  name: "a trainer starts although the thread of its shards makes them a second late",
  scenario: "swarm",
  seed: 0x990c7ff339d5,
  shrunk: {
    faults: [
      { kind: "killProcess", atMs: 9_253, power: false, downMs: 632 },
      { kind: "slowLinks", atMs: 9_507, node: "shards-1", latencyMs: 917, forMs: 389 },
    ],
    clients: [],
    values: {
      placement: { kind: "workers", shardThreads: 1 },
      "storage.snapshots.interval": "3s",
    },
    forMs: 10_883,
    linkMs: 0.02,
    syncMs: 20,
    turnMessagesMax: 1024,
  },
}, {
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
}, {
  name: "rows that change during the last look at the pending work reach the replicas",
  scenario: "swarm",
  seed: 0x1352b8e,
  shrunk: {
    values: {
      "shards.count": 1,
      "trainer.count": 1,
      "joiner.partitions": 1,
      "trainer.batchRows": 2,
      "trainer.linger": "200ms",
      "trainer.pipelined": true,
      "trainer.chunksPerRead": 64,
      "trainer.averageInterval": "50ms",
      "trainer.shardBudget": "50ms",
      placement: { kind: "workers", shardThreads: 1 },
      "gateway.eventsRememberedMax": 8,
      "joiner.window": "8s",
      "joiner.recordsPerTurn": 1,
      "sync.rowsInterval": "300ms",
      "sync.rowsMax": 4,
      "sync.budget": "5s",
      "storage.snapshots.interval": "10s",
      "storage.snapshots.spread": "0ms",
      "storage.snapshots.chunkRows": 1,
      "storage.snapshots.increments": 2,
      "storage.snapshots.incrementsShare": 4,
      "embeddings.evictionInterval": "1s",
    },
    faults: [
      {
        kind: "interrupt",
        atMs: 235,
        node: "main",
        actor: "snapshotter/0",
        message: "wake",
        effect: "power",
        forMs: 1_792,
      },
      {
        kind: "interrupt",
        atMs: 4_711,
        node: "serving",
        actor: "scorer/0",
        message: "changeReplicas",
        effect: "stall",
        forMs: 403,
      },
      { kind: "crashActor", atMs: 5_379, actor: "trainer/0" },
      {
        kind: "interrupt",
        atMs: 5_716,
        node: "shards-1",
        actor: "embedding_shard/0",
        message: "takeDeltas",
        effect: "kill",
        forMs: 785,
      },
      { kind: "slowLinks", atMs: 8_941, node: "serving", latencyMs: 1_881, forMs: 221 },
      {
        kind: "interrupt",
        atMs: 9_942,
        node: "trainer-0",
        actor: "trainer/0",
        message: "examplesAppended",
        effect: "power",
        forMs: 1_303,
      },
      { kind: "crashActor", atMs: 11_665, actor: "snapshotter/0" },
      { kind: "refuseAppends", atMs: 15_331, forMs: 264, log: "events" },
      {
        kind: "interrupt",
        atMs: 16_361,
        node: "shards-1",
        actor: "embedding_shard/0",
        message: "openSource",
        effect: "stall",
        forMs: 3_688,
      },
    ],
    clients: ["visitor-0", "visitor-1", "visitor-2", "visitor-3"],
    forMs: 20_000,
    healMs: 60_000,
    linkMs: 0.02,
    syncMs: 2,
    turnMessagesMax: 1_024,
    priorityChanges: 3,
    segmentBytesMax: 4_096,
  },
}, {
  name: "a flipped bit of a snapshot's manifest crashes a shard for the fourth time in a minute",
  scenario: "swarm",
  seed: 0x1352ba2,
  shrunk: {
    values: {
      "joiner.partitions": 2,
      "sync.rowsInterval": "10ms",
      "storage.snapshots.interval": "1s",
      ...recommending,
    },
    faults: [
      { kind: "crashActor", atMs: 5_162, actor: "embedding_shard/0" },
      { kind: "crashActor", atMs: 7_879, actor: "embedding_shard/0" },
      { kind: "crashActor", atMs: 8_660, actor: "embedding_shard/0" },
      { kind: "flipRead", atMs: 8_883, area: "blobs" },
    ],
    clients: ["visitor-1", "visitor-3"],
    forMs: 9_073,
    healMs: 60_000,
    linkMs: 0,
    syncMs: 0.1,
    turnMessagesMax: 1_024,
    segmentBytesMax: 1048576,
  },
}, {
  name: "visitors decide chunks of one row faster than a trainer learns them over slow links",
  scenario: "swarm",
  seed: 0x27c81e25413b,
  shrunk: {
    values: {
      "shards.count": 3,
      "trainer.batchRows": 1,
      placement: { kind: "workers", shardThreads: 1 },
      "joiner.window": "1s",
      "sync.rowsInterval": "10ms",
      ...recommending,
      "features.slots.hour": { kind: "time", part: "hourOfDay" },
    },
    faults: [],
    forMs: 2_500,
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
