/**
 * Goal: a host follows the sharding of its mesh step by step, again where a step fails, and ends
 * its earlier replicas only when its scorer uses the new ones. Method: a host of real configuration
 * with actors that answer by a script.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { withDivisions } from "../../configuration/sharding.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { HELD_SHARDING, SERVED_SHARDING } from "../../mesh/ports/reshard_progress.ts";
import type { AnyDefinition } from "../../mesh/runtime/node_actor.ts";
import { Mesh } from "../../mesh/runtime/mesh.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { HostSharding } from "../../server/host_sharding.ts";
import { planOf } from "../../server/plan.ts";
import { smallConfiguration } from "../integration/small_mesh.ts";
import { hostRecord, meshView } from "../mesh/placement/mesh_view.ts";
import { spreadConfiguration } from "./spread_hosts.ts";

const configuration = parseConfiguration(
  `${
    smallConfiguration(
      "in one thread",
      '{ kind: directory, path: data, redis: { url: "redis://localhost:1" } }',
    )
  }
mesh:
  id: shop
  hosts:
    edge: { address: "127.0.0.1:7401", roles: [serving, joiner, trainer] }
    tables: { address: "127.0.0.1:7402", roles: [shards] }
`,
  "mesh.yaml",
);

const inOneThread = { serving: 0, trainers: 0, shards: 0 };

/** A mesh of some shards in a sharding, and of some trainers in a dealing. */
function viewOf(sharding: number, shards: number, dealing = 0, trainers = 1) {
  const view = meshView({ sharding, dealing });
  return { ...view, identity: { ...view.identity, shards, trainers } };
}

async function start(of = configuration, host = "edge") {
  const simulated = new SimulatedMesh({ seed: 1 });
  const state = { served: 0, fails: 0, made: [] as string[] };
  const scripted = (kind: string): AnyDefinition => ({
    kind,
    mailbox: { capacity: 64, overflow: "reject" },
    restart: { restartsMax: 3, periodMs: 60_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "read",
    create: (context) => {
      if (kind === "snapshotter" && state.fails-- > 0) throw new Error("the store is away");
      state.made.push(context.self.address);
      return {
        receive(message) {
          context.reply(message as never, { sharding: state.served } as never);
        },
      };
    },
  });
  const home = simulated.node(`${host}:main`);
  const kinds = ["serving_replica", "row_feed", "scorer", "parameter_sync", "snapshotter"];
  const mesh = new Mesh({
    home,
    composition: { definitions: kinds.map(scripted) },
    part: { nodes: [home.name], retryMs: 100 },
  });
  const plan = planOf(of).filter(({ kind, node }) =>
    kinds.includes(kind) && node.startsWith(`${host}:`)
  );
  const started = simulated.settle(mesh.start(plan));
  await started;
  const threads = new Map([[host, inOneThread]]);
  const sharding = new HostSharding({ mesh, configuration: of, host, threads, started });
  await simulated.advance(1);
  const follow = async (...divisions: Parameters<typeof viewOf>) => {
    sharding.follow(viewOf(...divisions));
    await simulated.advance(100);
  };
  const followView = async (view: MeshView) => {
    sharding.follow(view);
    await simulated.advance(100);
  };
  const replicas = () => mesh.addressesOf("serving_replica").toSorted();
  return { simulated, mesh, state, sharding, follow, followView, replicas };
}

function figures(served: number, held: number) {
  return { [SERVED_SHARDING]: served, [HELD_SHARDING]: held };
}

const before = [0, 1, 2, 3].map((shard) => `serving_replica/${shard}@edge`);
const after = [0, 1].map((shard) => `serving_replica/${shard}#1@edge`);

Deno.test("a host makes new replicas beside the old ones, and ends these when the scorer left them", async () => {
  const { simulated, mesh, state, sharding, follow, replicas } = await start();
  await follow(0, 4);
  assert.equal(sharding.isChanging, false);
  assert.deepEqual(sharding.figures(), figures(0, 0));
  state.made = [];
  await follow(1, 2);
  assert.deepEqual(replicas(), [...before, ...after].toSorted());
  assert.deepEqual(
    state.made.filter((address) => !address.startsWith("serving")),
    ["row_feed/edge"],
  );
  assert.deepEqual(sharding.shards, {
    sharding: 1,
    shard: withDivisions(configuration, {
      sharding: 1,
      shards: 2,
      dealing: 0,
      trainers: 1,
      partitionings: [configuration.partitions],
    })
      .embeddingShard,
  });
  assert.ok(sharding.isChanging);
  await follow(1, 2);
  assert.deepEqual(sharding.figures(), figures(0, 0));
  state.served = 1;
  await follow(1, 2);
  assert.deepEqual(replicas(), after);
  assert.equal(sharding.isChanging, false);
  assert.deepEqual(sharding.figures(), figures(1, 1));
  await simulated.settle(mesh.stop());
});

/** A mesh of two shards, with what its serving hosts say that they use. */
function servingView(
  served: Readonly<Record<string, number>>,
  { silent = [], sharding: present = 1 }: {
    readonly silent?: readonly string[];
    readonly sharding?: number;
  } = {},
) {
  const hosts = Object.entries(served).map(([host, sharding]) =>
    hostRecord(host, {
      roles: ["serving"],
      load: { [SERVED_SHARDING]: sharding },
      expiresMs: silent.includes(host) ? 1 : 1e9,
    })
  );
  const view = meshView({ sharding: present, hosts: [hostRecord("tables"), ...hosts] });
  return { ...view, identity: { ...view.identity, shards: 2, trainers: 1 } };
}

Deno.test("where hosts look up in each other's replicas, these stay until all serving hosts left them", async () => {
  const spread = await start(spreadConfiguration("2", 3), "edge-1");
  const { simulated, mesh, state, sharding, followView, replicas } = spread;
  const old = replicas();
  assert.ok(old.length > 0 && old.length < 4);
  await followView(servingView({ "edge-1": 0, "edge-2": 0, "edge-3": 0 }));
  const both = replicas();
  const present = both.filter((address) => address.includes("#1@edge-1"));
  assert.deepEqual(both, [...old, ...present].toSorted());
  state.served = 1;
  await followView(servingView({ "edge-1": 0, "edge-2": 1, "edge-3": 0 }));
  assert.deepEqual(sharding.figures(), figures(1, 0));
  await followView(servingView({ "edge-1": 1, "edge-2": 1, "edge-3": 0 }));
  assert.deepEqual(replicas(), both, "edge-3 still looks up in them");
  assert.ok(sharding.isChanging);
  await followView(servingView({ "edge-1": 1, "edge-2": 1, "edge-3": 1 }));
  assert.deepEqual(replicas(), present);
  assert.deepEqual(sharding.figures(), figures(1, 1));
  assert.equal(sharding.isChanging, false);
  await simulated.settle(mesh.stop());
});

Deno.test("a serving host without a lease holds up no end of earlier replicas", async () => {
  const spread = await start(spreadConfiguration("2", 3), "edge-1");
  const { simulated, mesh, state, followView, replicas } = spread;
  const served = { "edge-1": 1, "edge-2": 1, "edge-3": 0 };
  state.served = 1;
  await followView(servingView(served));
  await followView(servingView(served, { silent: ["edge-3"] }));
  assert.ok(replicas().every((address) => address.includes("#1@edge-1")), replicas().join());
  await simulated.settle(mesh.stop());
});

Deno.test("a step that fails is made again at the next look, without what is there", async () => {
  const { simulated, mesh, state, sharding, follow, replicas } = await start();
  state.fails = 3;
  state.made = [];
  await follow(1, 2);
  await follow(1, 2);
  assert.ok(sharding.isChanging);
  for (let look = 0; look < 5; look++) await follow(1, 2);
  assert.deepEqual(replicas(), [...before, ...after].toSorted());
  assert.equal(state.made.filter((address) => address.startsWith("serving")).length, 2);
  assert.equal(state.made.at(-1), "row_feed/edge");
  await simulated.settle(mesh.stop());
});

Deno.test("a host follows two changes that come before its scorer has followed the first", async () => {
  const { simulated, mesh, state, follow, replicas } = await start();
  await follow(1, 2);
  await follow(2, 1);
  assert.deepEqual(replicas(), [...before, ...after, "serving_replica/0#2@edge"].toSorted());
  state.served = 2;
  await follow(2, 1);
  assert.deepEqual(replicas(), ["serving_replica/0#2@edge"]);
  await simulated.settle(mesh.stop());
});

Deno.test("a store that went back to an earlier sharding is not followed", async () => {
  const { simulated, mesh, sharding, follow } = await start();
  await follow(1, 2);
  await follow(0, 4);
  assert.equal(sharding.configuration.shardCount, 2);
  await simulated.settle(mesh.stop());
});

Deno.test("after a change of trainers nothing else is made anew", async () => {
  const { simulated, mesh, state, sharding, follow } = await start();
  state.made = [];
  await follow(0, 4, 1, 2);
  assert.deepEqual(state.made, []);
  assert.equal(sharding.isChanging, false);
  assert.deepEqual([sharding.configuration.trainerCount, sharding.configuration.dealing], [2, 1]);
  await follow(0, 4, 0, 1);
  assert.equal(sharding.configuration.trainerCount, 2, "an earlier view changes nothing");
  await simulated.settle(mesh.stop());
});

Deno.test("a host is known by the threads that it told last, whatever this host's file says", async () => {
  const { sharding, followView } = await start(spreadConfiguration("2", 2), "edge-1");
  const node = (address: string) => new Map(sharding.fixedActors).get(address as never);
  const nodesOf = (host: string) => [node(`scorer/${host}`), sharding.nodeOf(host, "shard/5")];
  assert.deepEqual(nodesOf("edge-2"), ["edge-2:main", "edge-2:main"]);
  const view = (edge: typeof inOneThread) =>
    meshView({ hosts: [hostRecord("edge-2", { threads: edge })] });
  await followView(view({ serving: 1, trainers: 0, shards: 3 }));
  assert.deepEqual(nodesOf("edge-2"), ["edge-2:serving", "edge-2:shards-3"]);
  await followView(meshView({ hosts: [] }));
  assert.deepEqual(nodesOf("edge-2"), ["edge-2:serving", "edge-2:shards-3"], "while it is away");
  await followView(view(inOneThread));
  assert.deepEqual(nodesOf("edge-2"), ["edge-2:main", "edge-2:main"]);
});

Deno.test("a host knows its own threads, also where the store has those of its process before", async () => {
  const { sharding, followView } = await start();
  const before = hostRecord("edge", { threads: { serving: 1, trainers: 2, shards: 0 } });
  await followView(meshView({ hosts: [before] }));
  assert.equal(new Map(sharding.fixedActors).get("scorer/edge"), "edge:main");
  assert.equal(sharding.nodeOf("edge", "trainer/1"), "edge:main");
});
