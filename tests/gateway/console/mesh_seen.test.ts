/**
 * Goal: the console says of each configured host whether it lives, and of each shard where it is,
 * under which epoch, and where it moves.
 */
import assert from "node:assert/strict";
import { meshSeen } from "../../../gateway/console/mesh_seen.ts";
import { MetricInterval, MetricReading } from "../../../gateway/console/metric_reading.ts";
import type {
  HostRecord,
  MeshView,
  PlacedKey,
  Placement,
} from "../../../mesh/ports/coordination.ts";
import { hostRecord } from "../../mesh/placement/mesh_view.ts";

const NOW_MS = 50_000;

function record(host: string, changes: Partial<HostRecord> = {}): HostRecord {
  return hostRecord(host, {
    address: `10.0.0.1:7400`,
    roles: ["shards"],
    capacityBytes: 1,
    expiresMs: NOW_MS + 4_000,
    ...changes,
  });
}

function view(
  hosts: readonly HostRecord[],
  placements: Readonly<Record<PlacedKey, Placement>> = {},
): MeshView {
  return {
    identity: {
      mesh: "m",
      protocol: 1,
      shards: 2,
      eventPartitions: 0,
      examplePartitions: 0,
      trainers: 0,
      dealing: 0,
      earlierPartitions: [],
      sharding: 0,
    },
    nowMs: NOW_MS,
    revision: 9,
    version: 7,
    generation: 2,
    hosts: new Map(hosts.map((each) => [each.host, each])),
    control: { holder: { host: "a", incarnation: "a-1" }, epoch: 3, expiresMs: NOW_MS + 1_500 },
    placements: new Map(Object.entries(placements) as [PlacedKey, Placement][]),
    manifest: undefined,
    oldestSnapshot: undefined,
    examplesFrom: undefined,
    plan: undefined,
    reshard: undefined,
  };
}

const names = ["edge", "a", "b", "c", "d"];
const configured = names.map((host) => ({ host, roles: ["shards"], address: "10.0.0.1:7400" }));

function seen({ store, lastView, unlinked = {}, interval, answered = names }: {
  readonly store?: MeshView | Error;
  readonly lastView?: MeshView;
  readonly unlinked?: Readonly<Record<string, string>>;
  readonly interval?: MetricInterval;
  readonly answered?: readonly string[];
}) {
  const sources = {
    host: "edge",
    hosts: configured,
    links: () =>
      names.filter((host) => host !== "edge").map((host) => ({
        host,
        isLinked: !(host in unlinked),
        reason: unlinked[host],
      })),
  };
  return meshSeen(sources, {
    interval,
    view: store,
    lastView,
    answeredAtMs: new Map(answered.map((host) => [host, 1])),
    failures: new Map(),
  });
}

Deno.test("a host is live, draining, joining or lost", () => {
  const { hosts, leases } = seen({
    store: view([
      record("edge"),
      record("a"),
      record("b", { state: "draining" }),
      record("c", { expiresMs: NOW_MS - 1 }),
    ]),
  });
  assert.deepEqual(
    hosts.map(({ host, state, leaseMs, isController }) => [host, state, leaseMs, isController]),
    [
      ["edge", "live", 4_000, false],
      ["a", "live", 4_000, true],
      ["b", "draining", 4_000, false],
      ["c", "lost", 0, false],
      ["d", "joining", undefined, false],
    ],
  );
  assert.deepEqual(leases, {
    kind: "store",
    version: 7,
    generation: 2,
    controller: { host: "a", epoch: 3, leaseMs: 1_500 },
  });
});

Deno.test("a host without a link is lost with the reason, before its lease ends", () => {
  const store = view(names.map((host) => record(host)));
  const { hosts } = seen({ store, unlinked: { c: "connection refused" } });
  const lost = hosts.filter(({ state }) => state === "lost");
  assert.deepEqual(lost.map(({ host, reason }) => [host, reason]), [["c", "connection refused"]]);
});

Deno.test("without a store, links and answers decide; a store that is away is said", () => {
  const { hosts, leases } = seen({ unlinked: { b: "silent" }, answered: ["edge", "a", "b"] });
  assert.deepEqual(hosts.map(({ state }) => state), ["live", "live", "lost", "unknown", "unknown"]);
  assert.deepEqual(leases, { kind: "fixed" });
  const away = seen({ store: new Error("the server is away") });
  assert.deepEqual(away.leases, { kind: "unavailable", reason: "the server is away" });
});

Deno.test("a shard has owner, epoch and the move in progress, with the figures of its owner", () => {
  const [a, b] = ["a", "b"].map((host) => ({ host, incarnation: `${host}-1` }));
  const store = view([record("a"), record("b")], {
    "shard/0": { state: "moving", owner: a, target: b, phase: "filling", epoch: 4 },
    "shard/1": { state: "unassigned", epoch: 2 },
    "shard/10": { state: "active", owner: b, epoch: 1 },
  });
  const gauge = (name: string, values: Readonly<Record<string, number>>) => ({
    name,
    values: Object.entries(values).map(([shard, value]) => ({ value, labels: { shard } })),
  });
  const reading = (evicted: number, atMs: number) =>
    new MetricReading([
      {
        host: "a",
        families: [
          gauge("cairn_shard_rows", { 0: 30 }),
          gauge("cairn_shard_bytes", { 0: 500 }),
          gauge("cairn_shard_bytes_max", { 0: 1_000 }),
          {
            name: "cairn_shard_updates_total",
            values: [{ value: evicted, labels: { shard: "0", outcome: "evicted" } }],
          },
        ],
      },
      { host: "edge", families: [gauge("cairn_replica_rows", { 0: 29 })] },
      { host: "d", families: [gauge("cairn_replica_rows", { 0: 12 })] },
    ], atMs);
  const { shards, hosts } = seen({
    store,
    interval: new MetricInterval(reading(10, 0), reading(30, 10_000)),
  });
  assert.deepEqual(shards.map(({ shard }) => shard), ["0", "1", "10"]);
  const [moving, unassigned, active] = shards;
  assert.deepEqual(moving, {
    shard: "0",
    host: "a",
    state: "moving",
    epoch: 4,
    move: { to: "b", phase: "filling" },
    rows: 30,
    rowsServed: 12,
    bytes: 500,
    bytesMax: 1_000,
    evictedPerSecond: 2,
    load: 0,
    waiting: 0,
  });
  assert.deepEqual([unassigned.host, unassigned.state, unassigned.epoch], [
    undefined,
    "unassigned",
    2,
  ]);
  assert.equal(active.host, "b");
  assert.deepEqual(hosts.map(({ shards }) => shards), [0, 1, 1, 0, 0]);
});

Deno.test("joiners and trainers are at their hosts, and those that do not read are listed", () => {
  const [a, b] = ["a", "b"].map((host) => ({ host, incarnation: `${host}-1` }));
  const { hosts, notReading } = seen({
    store: view([record("a"), record("b")], {
      "events/10": { state: "active", owner: a, epoch: 1 },
      "events/2": { state: "active", owner: a, epoch: 4 },
      "trainer/0": { state: "restoring", owner: b, epoch: 2 },
      "trainer/1": { state: "unassigned", epoch: 3 },
      "shard/0": { state: "unassigned", epoch: 0 },
    }),
  });
  assert.deepEqual(hosts.slice(1, 3).map(({ joiners, trainers }) => [joiners, trainers]), [
    [[2, 10], []],
    [[], [0]],
  ]);
  assert.deepEqual(notReading, [
    'trainer 0 is restoring on "b" in epoch 2',
    "trainer 1 is unassigned in epoch 3",
  ]);
});

Deno.test("a change of a number of parts is shown with its step until it is done", () => {
  const owner = { host: "a", incarnation: "a-1" };
  const change = (state: "asked" | "begun" | "cancelled", placed: Placement) =>
    seen({
      store: {
        ...view([record("a")], { "trainer/0": placed }),
        reshard: { parts: "trainers", division: 1, from: 1, to: 2, state, planBefore: 0 },
      },
    }).change;
  const active: Placement = { state: "active", owner, epoch: 2 };
  assert.equal(change("asked", active), "1 -> 2 trainers: a snapshot is taken");
  assert.equal(
    change("begun", { ...active, state: "restoring" }),
    "1 -> 2 trainers: 1 trainer is not ready yet",
  );
  assert.equal(change("begun", active), undefined);
  assert.equal(change("cancelled", active), undefined);
});

Deno.test("without a store no joiners and trainers are placed, and none is said to wait", () => {
  for (const store of [undefined, new Error("the server is away")]) {
    const { hosts, notReading, change } = seen({ ...(store && { store }) });
    assert.deepEqual(hosts.map(({ joiners }) => joiners), Array(5).fill(undefined));
    assert.deepEqual([notReading, change], [[], undefined]);
  }
});

Deno.test("while the store is away, shards are where its last answer has them", () => {
  const owner = { host: "a", incarnation: "a-1" };
  const lastView = view([record("a")], { "shard/0": { state: "active", owner, epoch: 4 } });
  const { shards, hosts } = seen({ store: new Error("the server is away"), lastView });
  assert.deepEqual(shards.map(({ host, state, epoch }) => [host, state, epoch]), [
    ["a", "active", 4],
  ]);
  assert.deepEqual(hosts.map(({ state }) => state), Array(5).fill("live"));
});

Deno.test("one process has its shards and no leases", () => {
  const gauge = (name: string) => ({ name, values: [{ value: 5, labels: { shard: "0" } }] });
  const reading = new MetricReading(
    [{ host: "", families: [gauge("cairn_shard_rows"), gauge("cairn_shard_bytes_max")] }],
    0,
  );
  const { shards, hosts, leases } = meshSeen(
    { host: "", hosts: [{ host: "", roles: ["serving"], address: undefined }], links: () => [] },
    {
      interval: new MetricInterval(reading, reading),
      view: undefined,
      answeredAtMs: new Map([["", 1]]),
      failures: new Map(),
    },
  );
  assert.deepEqual([shards[0].host, shards[0].state, shards[0].epoch], ["", "fixed", undefined]);
  assert.deepEqual([hosts[0].state, hosts[0].shards], ["live", 1]);
  assert.deepEqual(leases, { kind: "oneProcess" });
});
