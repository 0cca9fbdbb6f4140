/**
 * Goal: every host knows the thread of each trainer, also where the files of two hosts have other
 * numbers of trainers.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { withDivisions } from "../../configuration/sharding.ts";
import { nodesOf, placedNode, trainerThreadsOf } from "../../server/layout.ts";
import { smallConfiguration } from "../integration/small_mesh.ts";

function parse(trainers: number, threads: "in worker threads" | "in one thread") {
  const storage = '{ kind: directory, path: data, redis: { url: "redis://localhost:1" } }';
  return parseConfiguration(
    `${smallConfiguration(threads, storage, trainers)}
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

Deno.test("a host has threads for its share of the trainers in its file, whatever the mesh has", () => {
  const four = parse(4, "in worker threads");
  const threads = (host: string) => trainerThreadsOf(four, host);
  assert.deepEqual(["edge", "learn-1", "learn-2"].map(threads), [0, 2, 2]);
  assert.equal(trainerThreadsOf(parse(3, "in worker threads"), "learn-1"), 2);
  assert.equal(trainerThreadsOf(parse(4, "in one thread"), "learn-1"), 0);
  const names = nodesOf(four, "learn-2").map(({ name }) => name);
  assert.deepEqual(names, ["learn-2:trainer-0", "learn-2:trainer-1"]);
});

/** The configuration in a mesh that has gone to four trainers. */
function withFourTrainers(one: ReturnType<typeof parse>) {
  return withDivisions(one, {
    sharding: 0,
    shards: 4,
    dealing: 1,
    trainers: 4,
    partitionings: [one.partitions],
  });
}

Deno.test("a trainer is in a thread that its host has, by the host's own number", () => {
  const one = parse(1, "in worker threads");
  const grown = withFourTrainers(one);
  for (const configuration of [one, grown, parse(4, "in worker threads")]) {
    const nodes = (threads: number) =>
      ([0, 1, 2, 3] as const).map((trainer) =>
        placedNode(configuration, "learn-2", `trainer/${trainer}`, threads)
      );
    assert.deepEqual(nodes(0), Array(4).fill("learn-2:main"));
    assert.deepEqual(nodes(1), Array(4).fill("learn-2:trainer-0"));
    assert.deepEqual(
      nodes(2),
      [0, 1, 0, 1].map((thread) => `learn-2:trainer-${thread}`),
    );
  }
});

Deno.test("the nodes of a host whose file has other trainers are those that it describes", () => {
  const one = parse(1, "in worker threads");
  const grown = withFourTrainers(one);
  const names = (configuration: typeof one, threads?: number) =>
    nodesOf(configuration, "learn-2", threads).map(({ name }) => name);
  assert.deepEqual(names(grown, trainerThreadsOf(one, "learn-2")), names(one));
  assert.deepEqual(names(grown, 0), []);
});
