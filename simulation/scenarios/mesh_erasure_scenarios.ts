/**
 * The scenarios of several hosts in which visitors are erased.
 */
import type { Fault } from "../plan/fault.ts";
import { chosen } from "../plan/draws.ts";
import { hostsFor, mesh, moments, START_MS } from "./mesh_shop.ts";
import type { Scenario } from "./scenario.ts";
import { visitShop } from "./shop.ts";

/** Times for which a serving host is cut off from Redis, ms: shorter than an append is tried. */
const CUT_MS_MIN = 2_500;
const CUT_MS_MAX = 4_500;
/** Time of a put where hosts are to die in it, ms. */
const PUT_MS = 500;

export const meshErasureScenarios: readonly Scenario[] = [
  {
    ...mesh,
    name: "erasing-hosts-die",
    description: "serving hosts are killed while visitors are erased, and one is away for long",
    families: [],
    workload: (world, client) => visitShop(world, client, { erased: 0.1 }),
    values: { "joiner.window": "1s", "storage.snapshots.interval": "1s" },
    forMs: 62_000,
    faults: (random) =>
      [["edge-1", 8_000], ["edge-2", 8_000], ["edge-1", 38_000]].map(([host, downMs], i) => ({
        kind: "killHost",
        atMs: START_MS + i * 9_000 + Math.floor(random.nextFloat() * 1_000),
        host,
        power: random.nextFloat() < 0.5,
        downMs,
      } as Fault)),
  },
  {
    ...mesh,
    name: "erasures-and-late-appends",
    description: "visitors are erased while a serving host is cut off from Redis for some seconds",
    families: [],
    workload: (world, client) => visitShop(world, client, { erased: 0.2 }),
    values: { "joiner.window": "1s", "storage.snapshots.interval": "1s" },
    forMs: 32_000,
    faults: (random, configuration, forMs) =>
      moments(forMs, 4).map((atMs): Fault => ({
        kind: "cutRedis",
        atMs,
        host: chosen(random, hostsFor("serving", configuration)),
        forMs: Math.round(CUT_MS_MIN + random.nextFloat() * (CUT_MS_MAX - CUT_MS_MIN)),
      })),
  },
  {
    ...mesh,
    name: "erased-rows-in-puts",
    description: "hosts with shards are killed while they write snapshots and visitors are erased",
    families: [],
    workload: (world, client) => visitShop(world, client, { erased: 0.1 }),
    values: {
      "joiner.window": "1s",
      "storage.snapshots.interval": "1s",
      // A put has all rows of a shard, and hosts mostly die in one.
      "storage.snapshots.increments": 0,
    },
    forMs: 32_000,
    faults: (random, configuration, forMs) => [
      { kind: "slowBlobs", atMs: 0, forMs, latencyMs: PUT_MS },
      ...moments(forMs, 4).map((atMs): Fault => ({
        kind: "killHost",
        atMs: atMs + Math.floor(random.nextFloat() * 3_000),
        host: chosen(random, hostsFor("shards", configuration)),
        power: random.nextFloat() < 0.5,
        downMs: 500 + Math.floor(random.nextFloat() * 2_000),
      })),
    ],
  },
  {
    ...mesh,
    name: "erasures-while-resharded",
    description:
      "the number of shards changes while visitors are erased, and learning stands still",
    families: [],
    workload: (world, client) => visitShop(world, client, { erased: 0.2 }),
    values: { "joiner.window": "1s", "storage.snapshots.interval": "1s" },
    forMs: 40_000,
    faults: (random, configuration, forMs) =>
      moments(forMs, 3).flatMap((atMs): Fault[] => {
        // Scorers take the new replicas when these have learned as much.
        const killMs = atMs + 500 + Math.floor(random.nextFloat() * 1_500);
        const power = random.nextFloat() < 0.5;
        return [
          { kind: "reshardMesh", atMs, parts: "shards", to: chosen(random, [2, 3, 5, 8]) },
          ...hostsFor("trainer", configuration).map((host): Fault => (
            { kind: "killHost", atMs: killMs, host, power, downMs: 8_000 }
          )),
        ];
      }),
  },
];
