/**
 * Goal: each serving host has the replicas that the others ask of it, as many as the file says, and
 * where every host holds all rows no lookup leaves it.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { planOf } from "../../server/plan.ts";
import { servingBytesOf, ServingReplicas } from "../../server/serving_replicas.ts";
import { smallConfiguration } from "../integration/small_mesh.ts";
import { spreadConfiguration } from "./spread_hosts.ts";

const SHARDS = [0, 1, 2, 3];

function hostsOf(edges: number): string[] {
  return Array.from({ length: edges }, (_, i) => `edge-${i + 1}`);
}

Deno.test("with all each host holds every shard, and asks itself alone", () => {
  const replicas = new ServingReplicas(spreadConfiguration("all", 3));
  for (const host of hostsOf(3)) {
    const own = SHARDS.map((shard) => `serving_replica/${shard}@${host}`);
    assert.deepEqual(replicas.heldBy(host).map(({ replica }) => replica), own);
    assert.deepEqual(replicas.askedBy(host), own.map((replica) => [replica]));
  }
});

Deno.test("with some, each shard has as many holders, which all hosts ask, themselves first", () => {
  const edges = hostsOf(5);
  const configuration = spreadConfiguration("2", 5);
  const replicas = new ServingReplicas(configuration);
  const held = new Map(edges.map((host) => [host, replicas.heldBy(host)]));
  for (const shard of SHARDS) {
    const holders = edges.filter((host) => held.get(host)?.some((each) => each.shard === shard));
    assert.equal(holders.length, 2);
    for (const host of edges) {
      const asked = replicas.askedBy(host)[shard];
      assert.deepEqual(
        asked.toSorted(),
        holders.map((holder) => `serving_replica/${shard}@${holder}`),
      );
      if (holders.includes(host)) assert.equal(asked[0], `serving_replica/${shard}@${host}`);
    }
  }
  assert.ok([...held.values()].every(({ length }) => length <= 2));
  assert.equal(servingBytesOf(configuration), 2 * configuration.servingReplica.bytesMax);
});

Deno.test("with no more hosts than replicas each holds every shard, and asks the others after itself", () => {
  const configuration = spreadConfiguration("3", 2);
  const replicas = new ServingReplicas(configuration);
  for (const [host, other] of [["edge-1", "edge-2"], ["edge-2", "edge-1"]]) {
    assert.deepEqual(replicas.heldBy(host).map(({ shard }) => shard), SHARDS);
    assert.deepEqual(
      replicas.askedBy(host),
      SHARDS.map((shard) => [host, other].map((each) => `serving_replica/${shard}@${each}`)),
    );
  }
  assert.equal(servingBytesOf(configuration), 4 * configuration.servingReplica.bytesMax);
});

Deno.test("one process holds and asks all, whatever the number", () => {
  for (const count of ["all", "1", "64"]) {
    const text = smallConfiguration("in one thread")
      .replace("serving: { ", `serving: { replicas: ${count}, `);
    const replicas = new ServingReplicas(parseConfiguration(text, "cairn.yaml"));
    const own = SHARDS.map((shard) => `serving_replica/${shard}`);
    assert.deepEqual(replicas.heldBy().map(({ replica }) => replica), own);
    assert.deepEqual(replicas.askedBy(), own.map((replica) => [replica]));
  }
});

Deno.test("the plan makes the replicas that scorers ask, and a feed for those of each host", () => {
  const plan = planOf(spreadConfiguration("1", 3));
  const made = new Set(
    plan.filter(({ kind }) => kind === "serving_replica").map(({ kind, key }) => `${kind}/${key}`),
  );
  assert.equal(made.size, 4);
  const optionsOf = (kind: string) =>
    plan.filter((actor) => actor.kind === kind).map(({ options }) => options);
  for (const { replicas } of optionsOf("scorer") as { replicas: string[][] }[]) {
    assert.deepEqual(new Set(replicas.flat()), made);
  }
  const fed = (optionsOf("row_feed") as { replicas: { replica: string }[] }[])
    .flatMap(({ replicas }) => replicas.map(({ replica }) => replica));
  assert.deepEqual(fed.toSorted(), [...made].toSorted());
});
