import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import type { MeshView, Placement } from "../../../mesh/ports/coordination.ts";
import type { Address } from "../../../mesh/runtime/actor.ts";
import { quietMesh } from "../../../simulation/checkers/quiet_mesh.ts";
import { shopConfiguration } from "../../../simulation/scenarios/shop.ts";

const configuration = parseConfiguration(shopConfiguration, "shop.yaml");
const owned: Placement = {
  state: "active",
  owner: { host: "a", incarnation: "a-1" },
  epoch: 1,
};

const shard: Address = "embedding_shard/0";
const replica: Address = "serving_replica/0@a";

interface Rest {
  /** The actors of each host. */
  readonly a?: readonly Address[];
  readonly b?: readonly Address[];
  readonly incarnation?: string;
  readonly expiresMs?: number;
  readonly pending?: string;
  /** Whether the shard is placed anew meanwhile. */
  readonly moves?: boolean;
}

/** The broken promises of a mesh of the hosts `a` and `b`, in which `a` owns the only shard. */
async function restOf(
  { a = [shard, replica], b = [], incarnation = "a-1", expiresMs = 1, pending, moves }: Rest,
): Promise<string[]> {
  const failures: string[] = [];
  const view = {
    nowMs: 0,
    identity: {
      sharding: 0,
      shards: 1,
      dealing: 0,
      trainers: 1,
      eventPartitions: 1,
      examplePartitions: 1,
      earlierPartitions: [],
    },
    hosts: new Map([["a", { host: "a", incarnation, expiresMs }]]),
    placements: new Map([["shard/0", owned]]),
  };
  const checker = quietMesh({
    configuration: () => configuration,
    now: () => view as unknown as MeshView,
    hosts: () =>
      new Map([
        ["a", { actors: a, replicas: [replica] }],
        ["b", { actors: b, replicas: [] }],
      ]),
    pending: () => Promise.resolve(pending),
    sleep: () => {
      if (moves) checker.placed?.("shard/0", owned, { ...owned, epoch: 2 });
      return Promise.resolve();
    },
  })({ nowMs: () => 0, fail: (message) => void failures.push(message) });
  checker.placed?.("shard/0", undefined, owned); // before the rest
  await checker.atEnd?.();
  return failures;
}

Deno.test("a mesh keeps its rest whose parts are with their owners, and on no other host", async () => {
  assert.deepEqual(await restOf({ a: [shard, replica, "ranker/a"], b: ["ranker/b"] }), []);
});

Deno.test("a part without its owner, a copy and work that comes again break the promise", async () => {
  const cases: readonly (readonly [Rest, string])[] = [
    [{ incarnation: "a-2" }, "shard/0 is on a, which is gone"],
    [{ expiresMs: 0 }, "shard/0 is on a, which is gone"],
    [{ a: [replica] }, "a owns shard/0 and lacks embedding_shard/0"],
    [{ a: [shard] }, "a lacks serving_replica/0@a"],
    [{ b: [shard] }, "b has embedding_shard/0, which belongs to no part of it"],
    [{ b: ["shard_copy/0"] }, "b has shard_copy/0, which belongs to no part of it"],
    [
      { a: [shard, replica, "serving_replica/0#1@a"] },
      "a has serving_replica/0#1@a, which belongs to no part of it",
    ],
    [{ pending: "a shard is to move" }, "a shard is to move"],
  ];
  for (const [rest, problem] of cases) {
    assert.deepEqual(await restOf(rest), [`after 6000 ms of rest, ${problem}`]);
  }
  assert.deepEqual(await restOf({ moves: true }), [
    "shard/0 changes from active to active in a mesh at rest",
  ]);
});
