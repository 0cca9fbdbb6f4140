/**
 * Goal: a host's part in the placement of shards withstands slow shards and slow nodes. Method: an
 * agent under virtual time, with its records in memory.
 */
import assert from "node:assert/strict";
import { defineShardCopy } from "../../actors/embedding_shard/copy_definition.ts";
import type { ShardCopyMessage } from "../../actors/embedding_shard/copy_protocol.ts";
import { MovedShards } from "../../actors/embedding_shard/moved_shards.ts";
import type { EmbeddingShardOptions } from "../../actors/embedding_shard/options.ts";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import { MemoryRecordStore } from "../../mesh/adapters/memory/memory_record_store.ts";
import type { HostDescription, Ownership } from "../../mesh/ports/coordination.ts";
import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { Coordinator } from "../../mesh/runtime/coordination/coordinator.ts";
import { Mesh } from "../../mesh/runtime/mesh.ts";
import type { AnyDefinition } from "../../mesh/runtime/node_actor.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { PlacementAgent } from "../../server/placement_agent.ts";
import { present } from "../../structures/invariant.ts";
import { descriptionOf, meshSettings } from "../mesh/placement/model.ts";
import { fixedSharding } from "./fixed_sharding.ts";

const LEASE_MS = 2_000;

const oneShard = meshSettings({ shards: 1 });
const description: HostDescription = {
  ...descriptionOf({ host: "a", incarnation: "a-1" }),
  address: "a:7400",
  roles: ["shards"],
  capacityBytes: 1e9,
};

/** A shard that answers nothing, as one whose thread is busy for a long time. */
const silentShard: ActorDefinition<EmbeddingShardMessage, EmbeddingShardOptions> = {
  kind: "embedding_shard",
  mailbox: { capacity: 4_096, overflow: "backpressure" },
  restart: { restartsMax: 1, periodMs: 1_000, backoffMs: 10, backoffMsMax: 10 },
  priorityOf: () => "read",
  create: () => ({ receive: () => {} }),
};

/** A copy that fails at once, as where its owner cannot be reached. */
function failingCopy(made: () => void): ActorDefinition<ShardCopyMessage, unknown> {
  return {
    kind: "shard_copy",
    mailbox: { capacity: 16, overflow: "reject" },
    restart: { restartsMax: 1, periodMs: 1_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "read",
    create(context) {
      made();
      return {
        receive(message) {
          if (message.kind !== "getCopyProgress") return;
          const reason = "no link with the owner";
          const progress = { state: "failed", rows: 0, bytes: 0, behindRows: 0, reason } as const;
          context.reply(message, progress);
        },
      };
    },
  };
}

async function startHost(
  seed: number,
  leaseMs = LEASE_MS,
  copy: AnyDefinition = defineShardCopy(new MovedShards()),
  shard = silentShard,
) {
  const simulated = new SimulatedMesh({ seed });
  const mesh = new Mesh({
    home: simulated.node(),
    composition: { definitions: [shard, copy] },
  });
  await simulated.settle(mesh.start([]));
  const coordination = new Coordinator({
    store: new MemoryRecordStore(simulated.clock),
    random: simulated.random,
    hostTtlMs: leaseMs,
    controlTtlMs: leaseMs,
  });
  await simulated.settle(coordination.open(oneShard));
  const gone: Error[] = [];
  const begun: string[] = [];
  const isLinked = { b: true };
  const agent = new PlacementAgent({
    mesh,
    coordination,
    description,
    listedHosts: ["a", "b"],
    links: () => [{ host: "b", isLinked: isLinked.b }],
    sharding: fixedSharding(),
    takeSnapshot: () => Promise.resolve(),
    homeOf: (host) => host,
    nodeOf: () => "main",
    actorsOf: () => assert.fail("no partition is placed"),
    ownBlobsOf: ({ identity }) => ({ place: identity.mesh }),
    ttlMs: leaseMs,
    snapshotFailure: () => ({ reason: "it is of the time when the first trainer was here" }),
    onBegan: (host) => begun.push(host),
    onGone: (error) => gone.push(error),
  });
  return { simulated, mesh, coordination, agent, gone, begun, isLinked };
}

Deno.test("a host whose shard answers nothing renews its lease in time", async () => {
  const { simulated, coordination, agent, gone } = await startHost(1);
  await simulated.settle(agent.start());
  const placed = async () => (await coordination.read()).placements.get("shard/0")?.state;
  for (let i = 0; i < 200; i++) {
    await simulated.advance(100);
    const { hosts, nowMs } = await coordination.read();
    const expiresMs = hosts.get("a")?.expiresMs ?? 0;
    assert.ok(expiresMs > nowMs, `the lease has expired after ${(i + 1) * 100} ms`);
  }
  assert.equal(await placed(), "active");
  assert.deepEqual(gone, []);
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("a shard that cannot begin is tried again after longer and longer pauses", async () => {
  const tries: EmbeddingShardOptions[] = [];
  let isMounted = false;
  const shard: typeof silentShard = {
    ...silentShard,
    create(context, options) {
      tries.push(options);
      if (isMounted) return silentShard.create(context, options);
      throw new Error("its store lacks the mark");
    },
  };
  const { simulated, coordination, agent } = await startHost(11, LEASE_MS, undefined, shard);
  await simulated.settle(agent.start());
  await simulated.advance(20_000);
  assert.ok(tries.length >= 3 && tries.length <= 8, `${tries.length} tries in 20 s`);
  const { identity: { mesh } } = await coordination.read();
  assert.ok(tries.every(({ ownBlobs }) => ownBlobs?.place === mesh), "it has its store to compare");
  isMounted = true;
  await simulated.advance(5_000);
  assert.equal((await coordination.read()).placements.get("shard/0")?.state, "active");
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("no host tells of a part that cannot be placed once another host is to have it", async () => {
  const shard: typeof silentShard = {
    ...silentShard,
    create: () => {
      throw new Error("its store lacks the mark");
    },
  };
  const { simulated, coordination, agent } = await startHost(13, 30_000, undefined, shard);
  await simulated.settle(agent.start());
  const other = { host: "b", incarnation: "b-1" };
  await coordination.join({ ...description, ...other });
  await simulated.advance(12_000);
  const reason = /its store lacks the mark/;
  assert.match(agent.unplacedParts.map((each) => each.reason).join(), reason);
  // As a host that had the shard before still tells until it renews its lease.
  const unplaced = { "embedding_shard/0": "it is of another time" };
  await coordination.renew(other, { load: {}, unplaced });
  await simulated.advance(1_000);
  assert.deepEqual(agent.unplacedParts.map(({ host }) => host), ["a"]);

  const turn = await coordination.acquireControl({ host: "a", incarnation: "a-1" });
  assert.ok(turn.kind === "controls");
  const expected = present((await coordination.read()).placements.get("shard/0"), "it is placed");
  await coordination.place({
    by: { controllerEpoch: turn.control.epoch, planEdition: 0 },
    changes: [{ key: "shard/0", expected, next: { state: "restoring", owner: other } }],
  });
  await simulated.advance(1_000);
  assert.deepEqual(agent.unplacedParts.map(({ host }) => host), ["b"]);
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("a host warns once of each host that its file does not list", async () => {
  const { simulated, coordination, agent } = await startHost(9);
  const texts = () => simulated.telemetry.lines.map(({ message }) => message);
  const unlisted = () => texts().filter((text) => text.includes("does not list it"));
  await simulated.settle(agent.start());
  await coordination.join({ ...description, host: "b", incarnation: "b-1" });
  await simulated.advance(1_000);
  assert.deepEqual([unlisted(), agent.unlistedHosts], [[], []]);
  const late = { host: "z", incarnation: "z-1" };
  await coordination.join({ ...description, ...late });
  await simulated.advance(1_000);
  assert.deepEqual(agent.unlistedHosts, ["z"]);
  await coordination.leave(late);
  await simulated.advance(1_000);
  assert.deepEqual(agent.unlistedHosts, []);
  await coordination.join({ ...description, ...late, incarnation: "z-2" });
  await simulated.advance(1_000);
  assert.equal(unlisted().length, 1);
  assert.match(unlisted()[0], /^Host z has joined the mesh, .* List it in the file of every host/);
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("a host tells which hosts it has had no link with for some seconds", async () => {
  // It renews its lease every six seconds.
  const { simulated, coordination, agent, isLinked } = await startHost(10, 12_000);
  const told = async (afterMs: number) => {
    await simulated.advance(afterMs);
    return (await coordination.read()).hosts.get("a")?.unlinked;
  };
  await simulated.settle(agent.start());
  const [linked, unlisted] = ["b", "z"].map((host) => ({ host, incarnation: `${host}-1` }));
  const renew = () => Promise.all([linked, unlisted].map((run) => coordination.renew(run)));
  for (const run of [linked, unlisted]) await coordination.join({ ...description, ...run });
  assert.deepEqual(await told(1_000), [], "a link may take so long");
  assert.deepEqual(await told(6_000), [unlisted], "its file does not list it");
  isLinked.b = false;
  for (let i = 0; i < 2; i++) {
    await renew();
    await told(6_000);
  }
  assert.deepEqual(await told(0), [linked, unlisted]);
  isLinked.b = true;
  await renew();
  await simulated.advance(2_000);
  const again = { host: "z", incarnation: "z-2" };
  await coordination.join({ ...description, ...again });
  assert.deepEqual(await told(4_000), [], "the next process of a host may have links");
  await coordination.leave(again);
  assert.deepEqual(await told(8_000), [], "it is no host any more");
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("a host tells of failed snapshots where the first trainer is its own, and knows those of others", async () => {
  const { simulated, coordination, agent } = await startHost(12);
  await simulated.settle(agent.start());
  const other = { host: "b", incarnation: "b-1" };
  await coordination.join({ ...description, ...other, roles: [] });
  const failure = { reason: "the disk is full", newestAtMs: 5 };
  await coordination.renew(other, { load: {}, snapshotFailure: failure });
  await simulated.advance(1_000);
  assert.deepEqual(agent.snapshotFailures, [{ host: "b", ...failure }], "it takes none itself");
  assert.equal((await coordination.read()).hosts.get("a")?.snapshotFailure, undefined);
  await coordination.renew(other, { load: {} });
  await simulated.advance(1_000);
  assert.deepEqual(agent.snapshotFailures, []);
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("a host is told at once of each process that joins the mesh", async () => {
  const { simulated, coordination, agent, begun } = await startHost(11);
  await simulated.settle(agent.start());
  for (const incarnation of ["b-1", "b-2"]) {
    begun.length = 0;
    await coordination.join({ ...description, host: "b", incarnation });
    await simulated.advance(1);
    assert.deepEqual(begun, ["b"]);
  }
  await simulated.advance(20_000);
  assert.deepEqual(begun, ["b"], "once");
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("a host without joiners and trainers says that its shards go on without a lease", async () => {
  const { simulated, coordination, agent } = await startHost(10);
  await simulated.settle(agent.start());
  const renew = coordination.renew.bind(coordination);
  coordination.renew = () => Promise.reject(new Error("the server is away"));
  await simulated.advance(1.5 * LEASE_MS);
  const text =
    "the lease of host a has ended; until it is renewed, its shards go on: the server is away";
  assert.equal(agent.leaseEnd, text);
  coordination.renew = renew;
  await simulated.advance(LEASE_MS);
  const leases = simulated.telemetry.lines.map(({ message }) => message)
    .filter((text) => text.startsWith("the lease of host a"));
  assert.deepEqual(leases.slice(0, 1), [text]);
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("hosts on which nothing moves look at the store rarely, and at once when it changes", async () => {
  const { simulated, coordination, agent } = await startHost(6, 10_000);
  const read = coordination.read.bind(coordination);
  const acquire = coordination.acquireControl.bind(coordination);
  const looks = { read: 0, acquire: 0 };
  coordination.read = () => (looks.read++, read());
  coordination.acquireControl = (run) => (looks.acquire++, acquire(run));
  await simulated.settle(agent.start());
  await simulated.advance(20_000);
  looks.read = looks.acquire = 0;
  await simulated.advance(20_000);
  // A controller's round each second, with a read and after half of the lease a renewal and a
  // read behind it, and the look at the own duties every 5 s.
  assert.ok(looks.acquire >= 3 && looks.acquire <= 5, `${looks.acquire} renewals in 20 s`);
  assert.ok(looks.read >= 25 && looks.read <= 31, `${looks.read} reads in 20 s`);
  looks.read = 0;
  await coordination.setHostState("a", "draining");
  await simulated.advance(10);
  assert.ok(looks.read >= 2, "the change woke both");
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("a host that stands by takes the controller's lease over when it ends, without looks before", async () => {
  const { simulated, coordination, agent } = await startHost(7, 10_000);
  const other = { host: "z", incarnation: "z-1" };
  await coordination.open(oneShard);
  await coordination.join({ ...description, ...other });
  await coordination.acquireControl(other);
  const acquire = coordination.acquireControl.bind(coordination);
  let rounds = 0;
  coordination.acquireControl = (run) => (rounds++, acquire(run));
  await simulated.settle(agent.start());
  for (let i = 0; i < 9; i++) {
    await coordination.setHostState("a", i % 2 === 0 ? "draining" : "up");
    await simulated.advance(1_000);
  }
  assert.ok(rounds <= 3, `${rounds} rounds while another host holds the lease`);
  await simulated.advance(1_600);
  assert.equal((await coordination.read()).control?.holder.host, "a");
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("a host that stands by takes the controller's lease over at once when it is given up", async () => {
  const { simulated, coordination, agent } = await startHost(9, 10_000);
  const other = { host: "z", incarnation: "z-1" };
  await coordination.open(oneShard);
  await coordination.join({ ...description, ...other });
  const turn = await coordination.acquireControl(other);
  assert.ok(turn.kind === "controls");
  await simulated.settle(agent.start());
  await simulated.advance(3_000);
  await coordination.releaseControl(turn.control.epoch);
  await simulated.advance(10);
  assert.equal((await coordination.read()).control?.holder.host, "a");
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("a host that stands by takes over within two leases after the store's clock was set back", async () => {
  const { simulated, coordination, agent } = await startHost(8, 10_000);
  const other = { host: "z", incarnation: "z-1" };
  await coordination.join({ ...description, ...other });
  await coordination.acquireControl(other);
  simulated.clock.stepWall(-3_600_000);
  await simulated.settle(agent.start());
  await coordination.acquireControl(other);
  await simulated.advance(20_000);
  assert.equal((await coordination.read()).control?.holder.host, "a");
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("the controller waits between its looks while a node is slow to take placements", async () => {
  const { simulated, mesh, coordination, agent } = await startHost(2);
  mesh.place = () => simulated.clock.delay(20_000);
  const read = coordination.read.bind(coordination);
  let reads = 0;
  coordination.read = () => {
    if (++reads > 1_000) throw new Error("it does not wait");
    return read();
  };
  await simulated.settle(agent.start());
  await simulated.advance(2_000);
  await coordination.setHostState("a", "draining");
  await simulated.advance(8_000);
  assert.ok(reads >= 20 && reads <= 50, `${reads} reads in 10 s`);
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("a node that could not be told of an owner is told again", async () => {
  const { simulated, mesh, agent } = await startHost(5);
  const place = mesh.place.bind(mesh);
  let calls = 0;
  mesh.place = (placement) => {
    calls++;
    return calls === 1 ? Promise.reject(new Error("it does not answer")) : place(placement);
  };
  await simulated.settle(agent.start());
  await simulated.advance(5_000);
  assert.equal(calls, 2);
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("nothing is sent to the first owner of a part before it has the part", async () => {
  const { simulated, mesh, coordination, agent } = await startHost(6);
  const place = mesh.place.bind(mesh);
  const states: unknown[] = [];
  mesh.place = async (placement) => {
    states.push((await coordination.read()).placements.get("shard/0")?.state);
    await place(placement);
  };
  const spawn = mesh.spawn.bind(mesh);
  mesh.spawn = async (actor) => {
    await simulated.clock.delay(2_000); // several looks
    await spawn(actor);
  };
  await simulated.settle(agent.start());
  await simulated.advance(5_000);
  assert.deepEqual(states, ["active"]);
  await simulated.settle(agent.stop());
  await simulated.stop();
});

Deno.test("a host that stops ends its lease at once, also while a node is slow", async () => {
  const { simulated, mesh, coordination, agent } = await startHost(3, 600_000);
  mesh.place = () => simulated.clock.delay(60_000);
  await simulated.settle(agent.start());
  await simulated.advance(1_000);
  await simulated.settle(agent.stop(), 2_500);
  const { hosts } = await coordination.read();
  assert.deepEqual([...hosts.keys()], []);
  await simulated.stop();
});

Deno.test("copies that fail one after another begin at growing distances", async () => {
  const beginnings: number[] = [];
  const copy = failingCopy(() => beginnings.push(simulated.clock.monotonicMs()));
  const { simulated, coordination, agent } = await startHost(4, 60_000, copy);
  const owner = { host: "z", incarnation: "z-1" };
  await coordination.open(oneShard);
  await coordination.join({ ...description, ...owner });
  const turn = await coordination.acquireControl(owner);
  const controllerEpoch = turn.kind === "controls" ? turn.control.epoch : 0;
  const by = { controllerEpoch, planEdition: 0 };
  const key = "shard/0";
  const change = async (next: Ownership) => {
    const { placements } = await coordination.read();
    const expected = placements.get(key);
    assert.ok(expected);
    await coordination.place({ by, changes: [{ key, expected, next }] });
  };
  await change({ state: "restoring", owner });
  await change({ state: "active", owner });
  await simulated.settle(agent.start());
  const target = { host: "a", incarnation: "a-1" };
  await change({ state: "moving", owner, target, phase: "filling" });
  await simulated.advance(20_000);
  const pauses = beginnings.slice(1).map((atMs, i) => atMs - beginnings[i]);
  assert.ok(pauses.length >= 4 && pauses.length <= 6, `${pauses}`);
  for (const [i, pauseMs] of pauses.entries()) {
    assert.ok(pauseMs >= 500 * 2 ** i, `${pauses}`);
  }
  await simulated.settle(agent.stop(), 5_000);
  await simulated.stop();
});
