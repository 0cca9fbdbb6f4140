/** Goal: the capacity sheet adds up, grows with its load, and names limits that are exceeded. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  capacityOf,
  type HostSize,
  type Load,
  type PlannedConfiguration,
} from "../../../cli/size/capacity.ts";
import { coefficients } from "../../../cli/size/coefficients.ts";

const GIB = 2 ** 30;
const load: Load = {
  items: 100_000,
  users: 1_000_000,
  rankingsPerSecond: 50,
  candidates: 100,
  eventsPerRanking: 0.2,
  otherIds: 1_000,
};
const row = { trainingBytes: 200, servingBytes: 100 };
const planned: PlannedConfiguration = {
  itemRow: row,
  userRow: row,
  otherRow: undefined,
  emptyTablesBytes: 1_000,
  openSeconds: 60,
  negativeShare: 1,
  tablesBytesMax: 100 * GIB,
  openBytesMax: 100 * GIB,
  logBytesMax: 1_000 * GIB,
  snapshotsRetained: 2,
  cachesBytesMax: 0,
  servingReplicas: "all",
  shards: 1_000,
};
const host: HostSize = { cores: 8, memoryBytes: 32 * GIB, pricePerHour: 0.4 };

Deno.test("rows and memory follow from items, users and the bytes of a row", () => {
  const { rows, memory, memoryBytes, examplesPerSecond } = capacityOf(
    load,
    planned,
    host,
    coefficients,
  );
  assert.equal(rows, 1_100_000);
  assert.equal(memory["training tables"], 1_100_000 * 200 + 1_000);
  assert.equal(memory["serving tables"], 1_100_000 * 100);
  assert.equal(memoryBytes, Object.values(memory).reduce((sum, bytes) => sum + bytes, 0));
  assert.equal(examplesPerSecond, 50 * 0.2 + 50 * 99.8);
});

Deno.test("a small load fits into one process, a large one needs a mesh, a huge row no host", () => {
  const small = capacityOf({ ...load, rankingsPerSecond: 1 }, planned, host, coefficients);
  assert.deepEqual([small.hosts.all, small.hosts.isOneProcess], [1, true]);
  const large = capacityOf({ ...load, rankingsPerSecond: 50_000 }, planned, host, coefficients);
  assert.equal(large.hosts.isOneProcess, false);
  assert.equal(large.hosts.all, large.hosts.serving + large.hosts.learning);
  assert.ok(large.hosts.serving > 1 && large.hosts.learning > 1);
  const huge = { ...planned, userRow: { ...row, servingBytes: 1e6 } };
  assert.equal(capacityOf(load, huge, host, coefficients).hosts.all, Infinity);
});

Deno.test("the price of a million rankings is that of its host hours", () => {
  const { perMillion, hosts } = capacityOf(load, planned, host, coefficients);
  const seconds = 1e6 / load.rankingsPerSecond;
  assert.ok(Math.abs(perMillion.hostHours - hosts.all * seconds / 3600) < 1e-9);
  assert.equal(perMillion.price, perMillion.hostHours * 0.4);
  const { perMillion: free } = capacityOf(
    load,
    planned,
    { ...host, pricePerHour: undefined },
    coefficients,
  );
  assert.equal(free.price, undefined);
});

Deno.test("a Redis server keeps the logs, and keys of all rankings and events of the time of late labels", () => {
  const [knownSeconds, logBytesMax] = [7 * 86_400, 2 ** 30];
  const late = { ...planned, knownSeconds, logBytesMax };
  const shop = { ...load, rankingsPerSecond: 10, candidates: 20, eventsPerRanking: 0.2 };
  const { redis } = capacityOf(shop, late, host, coefficients);
  const known = knownSeconds * (10 * (200 + 20 * 4) + 2 * 300);
  assert.deepEqual(redis, { logsMax: 2 * logBytesMax, known });
  assert.equal(capacityOf(shop, planned, host, coefficients).redis, undefined);
});

Deno.test("each limit that the load exceeds has a warning with its remedy", () => {
  const small = { ...planned, tablesBytesMax: 1e6, openBytesMax: 1e4, logBytesMax: 1e4 };
  const { warnings, memory } = capacityOf(load, small, host, coefficients);
  assert.deepEqual(
    warnings.map((warning) => /embeddings\.\w+|joiner\.imp\w+|storage\.\w+/.exec(warning)?.[0]),
    ["embeddings.bytesMax", "joiner.impressionsBytesMax", "storage.logBytesMax"],
  );
  assert.equal(memory["training tables"], 1e6);
});

Deno.test("a larger load needs no less of anything", () => {
  const number = (max: number) => fc.double({ min: 1, max, noNaN: true });
  fc.assert(
    fc.property(number(1e7), number(1e7), number(1e4), number(100), (items, users, rate, more) => {
      const few = { ...load, items, users, rankingsPerSecond: rate };
      const many = { ...few, items: items * more, users: users * more };
      const [a, b] = [few, { ...many, rankingsPerSecond: rate * more }]
        .map((each) => capacityOf(each, planned, host, coefficients));
      assert.ok(b.memoryBytes >= a.memoryBytes);
      assert.ok(b.cores.serving >= a.cores.serving && b.cores.learning >= a.cores.learning);
      assert.ok(b.disk.writtenPerDay >= a.disk.writtenPerDay);
      assert.ok(b.hosts.all >= a.hosts.all);
    }),
  );
});

Deno.test("with some replicas of each row the serving hosts share the tables, and with all each has them", () => {
  const items = 400_000_000; // 40 GB served
  const large = { ...load, items, users: 0 };
  const serving = (servingReplicas: "all" | number) =>
    capacityOf(large, { ...planned, servingReplicas }, host, coefficients).hosts.serving;
  assert.equal(serving("all"), Infinity);
  const two = serving(2);
  assert.ok(two >= 4 && two <= 6, `${two} hosts`);
  assert.ok(serving(4) > two);
});

Deno.test("where no host is large enough, the remedy is one that helps", () => {
  const problem = (
    { items, caches = 0, ...more }: Partial<PlannedConfiguration> & {
      readonly items: number;
      readonly caches?: number;
    },
  ) => {
    const configuration = { ...planned, cachesBytesMax: caches, ...more };
    return capacityOf({ ...load, items, users: 0 }, configuration, host, coefficients).hosts
      .problem;
  };
  const [items, replicas] = [400_000_000, 2]; // 40 GB served
  assert.match(`${problem({ items, shards: 64 })}`, /one; embeddings\.serving\.replicas spreads/);
  assert.match(`${problem({ items, shards: 1 })}`, /shards\.count, and spread them by embeddings/);
  const spread = { items, servingReplicas: replicas };
  assert.match(`${problem({ ...spread, shards: 1 })}`, /raise shards\.count$/);
  assert.equal(problem({ ...spread, shards: 64 }), undefined);
  assert.match(`${problem({ ...spread, shards: 64, caches: 1e12 })}`, /take larger hosts$/);
});

Deno.test("a serving host holds whole shards, so few shards need more hosts than many", () => {
  const serving = (items: number, shards: number) => {
    const spread: PlannedConfiguration = { ...planned, servingReplicas: 2, shards };
    return capacityOf({ ...load, items, users: 0 }, spread, host, coefficients).hosts.serving;
  };
  // The most items that three hosts hold when each has two thirds.
  let items = 100_000_000;
  while (serving(items + 1_000_000, 999) <= 3) items += 1_000_000;
  assert.equal(serving(items, 4), 4, "each of three would hold three quarters");
});
