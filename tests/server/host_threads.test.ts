/**
 * Goal: each host has the threads that its file gives to its roles, and every other host finds its
 * actors by the threads that it tells, also where the files of the two say others.
 */
import assert from "node:assert/strict";
import { type CairnConfiguration, parseConfiguration } from "../../configuration/configuration.ts";
import type { HostThreads } from "../../mesh/ports/coordination.ts";
import { addresses } from "../../server/addresses.ts";
import { homeNodeOf, Layout, nodesOf, threadsOf } from "../../server/layout.ts";
import { planOf } from "../../server/plan.ts";
import {
  allPlacements,
  type PlacementName,
  smallConfiguration,
} from "../integration/small_mesh.ts";

const onRedis = '{ kind: directory, path: data, redis: { url: "redis://localhost:1" } }';

function parse(trainers: number, threads: PlacementName): CairnConfiguration {
  return parseConfiguration(
    `${smallConfiguration(threads, onRedis, trainers)}
mesh:
  id: shop
  hosts:
    edge: { address: "127.0.0.1:7401", roles: [serving, joiner] }
    learn-1: { address: "127.0.0.1:7402", roles: [trainer, shards] }
    learn-2: { address: "127.0.0.1:7403", roles: [trainer] }
`,
    "mesh.yaml",
  );
}

const hosts = ["edge", "learn-1", "learn-2"];
const none: HostThreads = { serving: 0, trainers: 0, shards: 0 };

Deno.test("a host has the threads of its roles, and its share of the trainers in its file", () => {
  const threads = (configuration: CairnConfiguration) =>
    hosts.map((host) => Object.values(threadsOf(configuration, host)));
  assert.deepEqual(threads(parse(4, "in worker threads")), [[1, 0, 0], [0, 2, 2], [0, 2, 0]]);
  assert.deepEqual(threads(parse(3, "in worker threads")), [[1, 0, 0], [0, 2, 2], [0, 2, 0]]);
  const main = parse(1, "in worker threads, scores in the main thread");
  assert.deepEqual(threads(main), [[0, 0, 0], [0, 1, 2], [0, 1, 0]]);
  assert.deepEqual(threads(parse(4, "in one thread")), hosts.map(() => [0, 0, 0]));
});

Deno.test("the nodes of a host are its threads", () => {
  const four = parse(4, "in worker threads");
  const names = (host: string, threads?: HostThreads) =>
    nodesOf(four, host, threads).map(({ name }) => name);
  assert.deepEqual(names("edge"), ["edge:serving"]);
  assert.deepEqual(names("learn-2"), ["learn-2:trainer-0", "learn-2:trainer-1"]);
  assert.deepEqual(names("learn-2", none), []);
  assert.deepEqual(names("learn-2", { ...none, shards: 2 }), [
    "learn-2:shards-1",
    "learn-2:shards-2",
  ]);
});

Deno.test("parts that the store gives to a host are dealt to the threads that it tells", () => {
  for (const placement of Object.keys(allPlacements) as PlacementName[]) {
    const nodes = (told: HostThreads) => {
      const layout = new Layout(parse(1, placement), new Map([["learn-2", told]]));
      return ([0, 1, 2, 3] as const).map((number) => [
        layout.on("learn-2", `trainer/${number}`),
        layout.on("learn-2", `shard/${number}`),
        layout.on("learn-2", `events/${number}`),
      ]);
    };
    const home = homeNodeOf("learn-2");
    assert.deepEqual(nodes(none), Array(4).fill([home, home, home]));
    assert.deepEqual(nodes({ serving: 0, trainers: 1, shards: 3 }), [
      ["learn-2:trainer-0", "learn-2:shards-1", home],
      ["learn-2:trainer-0", "learn-2:shards-2", home],
      ["learn-2:trainer-0", "learn-2:shards-3", home],
      ["learn-2:trainer-0", "learn-2:shards-1", home],
    ]);
  }
});

Deno.test("scores of a host are asked of the thread that it tells", () => {
  const nodes = (placement: PlacementName, told: HostThreads) => {
    const plan = planOf(parse(1, placement), new Map([["edge", told]]));
    return ["scorer/edge", "row_feed/edge", "serving_replica/3@edge"].map((address) =>
      plan.find(({ kind, key }) => `${kind}/${key}` === address)?.node
    );
  };
  const serving = { ...none, serving: 1 };
  assert.deepEqual(nodes("in one thread", serving), Array(3).fill("edge:serving"));
  assert.deepEqual(nodes("in worker threads", none), Array(3).fill("edge:main"));
});

/** A mesh without a store, whose shards are on so many hosts. */
function dealt(tables: number): CairnConfiguration {
  const hosts = Array.from(
    { length: tables },
    (_, i) => `    tables-${i + 1}: { address: "127.0.0.1:${7402 + i}", roles: [shards] }`,
  );
  return parseConfiguration(
    `${smallConfiguration("in worker threads", "{ kind: directory, path: data }", 2)}
mesh:
  id: shop
  hosts:
    edge: { address: "127.0.0.1:7401", roles: [serving, joiner, trainer] }
${hosts.join("\n")}
`,
    "mesh.yaml",
  );
}

Deno.test("without a store, a host has no thread without a shard", () => {
  const threads = ["tables-1", "tables-2", "tables-3"].map((host) =>
    threadsOf(dealt(3), host).shards
  );
  assert.deepEqual(threads, [2, 1, 1], "of 4 shards");
});

Deno.test("without a store, shards have the threads of the host that the file deals them to", () => {
  const file = dealt(2);
  const nodes = new Map(planOf(file).map(({ kind, key, node }) => [`${kind}/${key}`, node]));
  assert.deepEqual([0, 1, 2, 3].map((shard) => nodes.get(addresses.embeddingShard(shard, 0))), [
    "tables-1:shards-1",
    "tables-2:shards-1",
    "tables-1:shards-2",
    "tables-2:shards-2",
  ]);
  assert.deepEqual([0, 1].map((trainer) => nodes.get(addresses.trainer(trainer))), [
    "edge:trainer-0",
    "edge:trainer-1",
  ]);
});
