/**
 * The scenarios that ship, by name.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { homeNode, planOf } from "../../server/plan.ts";
import { chosen } from "../plan/draws.ts";
import type { Fault } from "../plan/fault.ts";
import { recommending, swarmKnobs } from "../plan/knobs.ts";
import { meshScenarios } from "./mesh_scenarios.ts";
import type { Scenario } from "./scenario.ts";
import { shopConfiguration, visitShop } from "./shop.ts";

const shop = {
  configuration: shopConfiguration,
  knobs: swarmKnobs,
  clients: 4,
  workload: visitShop,
  forMs: 20_000,
  healMs: 60_000,
} as const;

const FAULT_FREE_MS = 3_000;

/** Share of visits after which the visitor asks to be erased, where erasures are the point. */
const ERASED_OFTEN = 0.1;
/** Share of visits that end with an event that was sent before, where these are the point. */
const REPEATED_OFTEN = 0.6;

/** Moments between which faults strike, evenly spread. */
function moments(forMs: number, count: number): number[] {
  const stepMs = (forMs - FAULT_FREE_MS) / count;
  return Array.from({ length: count }, (_, i) => Math.round(FAULT_FREE_MS + i * stepMs));
}

/** The shards' actors. */
function shardsOf(configuration: CairnConfiguration): ReturnType<typeof planOf> {
  return planOf(configuration).filter(({ kind }) => kind === "embedding_shard");
}

/** In the order in which `--help` lists them; the first is the default. */
export const shippedScenarios: readonly Scenario[] = [
  {
    ...shop,
    name: "swarm",
    description: "every family of faults by a coin, and every knob by a draw",
  },
  { ...shop, name: "quiet", description: "no faults", families: [] },
  {
    ...shop,
    name: "black-friday",
    description: "twenty times the visitors, while threads stall",
    families: ["threads"],
    clients: 80,
    forMs: 5_000,
  },
  {
    ...shop,
    name: "full-disk",
    description: "logs and blobs take nothing, again and again",
    families: ["disk"],
  },
  {
    ...shop,
    name: "slow-threads",
    description: "threads stall and messages are late",
    families: ["threads", "links"],
    values: { "shards.count": 3, placement: { kind: "workers", shardThreads: 2 } },
  },
  {
    ...shop,
    name: "interrupts",
    description: "threads stall, actors crash and the process dies while messages are under way",
    families: ["interrupts", "actors"],
    values: { "shards.count": 3, placement: { kind: "workers", shardThreads: 2 } },
  },
  {
    ...shop,
    name: "batch-sizes",
    description: "restarts bring batches of another size, while actors crash",
    families: ["actors"],
    faults: (random, _configuration, forMs) =>
      moments(forMs, 4).map((atMs): Fault => ({
        kind: "restartProcess",
        atMs,
        downMs: 200,
        configuration: { "trainer.batchRows": 1 + Math.floor(random.nextFloat() * 16) },
      })),
  },
  {
    ...shop,
    name: "rolling-restart",
    description: "the process stops in order and starts again, four times",
    families: [],
    faults: (_random, _configuration, forMs) =>
      moments(forMs, 4).map((atMs): Fault => ({
        kind: "restartProcess",
        atMs,
        downMs: 200,
        configuration: {},
      })),
  },
  {
    ...shop,
    name: "power-failures",
    description: "the machine loses power, five times",
    families: [],
    faults: (_random, _configuration, forMs) =>
      moments(forMs, 5).map((atMs): Fault => ({
        kind: "killProcess",
        power: true,
        atMs,
        downMs: 300,
      })),
  },
  {
    ...shop,
    name: "torn-writes",
    description: "many visitors write large blocks to a slow disk, whose machine loses power",
    families: [],
    clients: 24,
    forMs: 15_000,
    faults: (random, _configuration, forMs) =>
      moments(forMs, 6).flatMap((atMs): Fault[] => [
        { kind: "slowDisk", atMs, forMs: 1_500, latencyMs: 400 },
        {
          kind: "killProcess",
          power: true,
          atMs: atMs + 500 + Math.floor(random.nextFloat() * 500),
          downMs: 300,
        },
      ]),
  },
  {
    ...shop,
    name: "bad-disk",
    description: "writes and syncs fail, and reads return changed bits",
    families: ["io"],
  },
  {
    ...shop,
    name: "reshard",
    description: "restarts bring another number of shards, while actors crash",
    families: ["actors", "reconfigure"],
  },
  {
    ...shop,
    name: "ageing",
    description: "rows expire while items come and go, actors crash and replicas are filled late",
    families: ["actors", "links", "threads"],
    values: {
      "embeddings.expiry": "2s",
      "embeddings.evictionInterval": "100ms",
      placement: { kind: "workers", shardThreads: 1 },
    },
    // Late in a run, replicas are filled from a restarted shard, where their rows have expired.
    faults: (random, configuration, forMs) => {
      const replicas = planOf(configuration).filter(({ kind }) => kind === "serving_replica");
      return [4_500, 2_500].flatMap((beforeEndMs): Fault[] => {
        const atMs = forMs - beforeEndMs + Math.floor(random.nextFloat() * 500);
        return [
          {
            kind: "crashActor",
            atMs,
            actor: `embedding_shard/${chosen(random, shardsOf(configuration)).key}`,
          },
          { kind: "stallNode", atMs, node: replicas[0].node, forMs: 1_800 },
        ];
      });
    },
  },
  {
    ...shop,
    name: "recommendations",
    description:
      "stored items change and are recommended, while actors crash and messages are late",
    families: ["actors", "links"],
    values: recommending,
  },
  {
    ...shop,
    name: "several-trainers",
    description: "three trainers average their weights ten times a second, over slow links",
    families: ["threads", "links"],
    values: {
      "trainer.count": 3,
      "trainer.averageInterval": "100ms",
      placement: { kind: "workers", shardThreads: 1 },
    },
  },
  {
    ...shop,
    name: "several-partitions",
    description: "three joiners and six example partitions, while the process is killed",
    families: ["process", "actors"],
    values: { "joiner.partitions": 3, "trainer.partitions": 6, "trainer.count": 2 },
  },
  {
    ...shop,
    name: "narrow-shards",
    description: "six trainers ask a shard that holds one message of each priority, and stalls",
    families: ["links"],
    clients: 8,
    shardMailboxMax: 1,
    values: {
      "shards.count": 1,
      "trainer.count": 6,
      "trainer.pipelined": true,
      "trainer.batchRows": 1,
      placement: { kind: "workers", shardThreads: 1 },
    },
    faults: (random, configuration, forMs) =>
      shardsOf(configuration).flatMap(({ node }) =>
        moments(forMs, 8).map((atMs): Fault => ({
          kind: "stallNode",
          node,
          atMs,
          forMs: 200 + Math.floor(random.nextFloat() * 1_000),
        }))
      ),
  },
  {
    ...shop,
    name: "late-chunks",
    description: "the example log takes nothing for a second, while snapshots are due",
    families: [],
    values: {
      "trainer.count": 1,
      "trainer.batchRows": 1,
      "trainer.pipelined": true,
      "storage.snapshots.interval": "1s",
      "storage.snapshots.spread": "0ms",
    },
    faults: (random, _configuration, forMs) =>
      moments(forMs, 8).map((atMs): Fault => ({
        kind: "refuseAppends",
        log: "examples",
        atMs: atMs + Math.floor(random.nextFloat() * 500),
        forMs: 1_500,
      })),
  },
  {
    ...shop,
    name: "cuts-in-replays",
    description: "snapshots are due while a trainer learns again what one of its shards has lost",
    families: [],
    values: {
      "shards.count": 3,
      "trainer.batchRows": 2,
      "storage.snapshots.interval": "1s",
      placement: { kind: "workers", shardThreads: 1 },
    },
    faults: (random, configuration, forMs) => {
      const shards = shardsOf(configuration);
      return moments(forMs, 8).flatMap((atMs): Fault[] => [
        { kind: "crashActor", atMs, actor: `embedding_shard/${chosen(random, shards).key}` },
        // The replay takes longer than the time between two snapshots.
        {
          kind: "slowLinks",
          node: homeNode,
          atMs,
          latencyMs: 10 + Math.floor(random.nextFloat() * 30),
          forMs: 1_500,
        },
      ]);
    },
  },
  {
    ...shop,
    name: "split-chunks",
    description:
      "a trainer learns large chunks again in small batches and crashes, while a shard stands still",
    families: [],
    clients: 12,
    values: {
      "shards.count": 2,
      "joiner.partitions": 1,
      "trainer.count": 1,
      "trainer.batchRows": 16,
      "trainer.linger": "200ms",
      "trainer.pipelined": true,
      "storage.snapshots.interval": "10s",
      placement: { kind: "workers", shardThreads: 2 },
    },
    faults: (random, configuration, forMs) => {
      const shards = shardsOf(configuration);
      return moments(forMs, 6).flatMap((atMs, i): Fault[] => {
        const batchRows = i % 2 === 0 ? 2 + Math.floor(random.nextFloat() * 3) : 16;
        // A process that was killed learns the chunks since the last snapshot again, slowly.
        const kill: Fault = { kind: "killProcess", power: false, atMs, downMs: 5_000 };
        const slow: Fault = {
          kind: "slowLinks",
          node: homeNode,
          atMs,
          latencyMs: 20,
          forMs: 1_500,
        };
        const start: Fault = {
          kind: "restartProcess",
          atMs: atMs + 1,
          downMs: 100,
          configuration: { "trainer.batchRows": batchRows },
        };
        const { node, key } = shards[Math.floor(random.nextFloat() * shards.length)];
        const stallMs = atMs + 100 + Math.floor(random.nextFloat() * 300);
        const stall: Fault = {
          kind: "interrupt",
          atMs: stallMs,
          node,
          actor: `embedding_shard/${key}`,
          message: "applyGradients",
          effect: "stall",
          forMs: 500,
        };
        const crash: Fault = {
          kind: "interrupt",
          atMs: stallMs + Math.floor(random.nextFloat() * 10),
          node: homeNode,
          actor: "trainer/0",
          message: "examplesAppended",
          effect: "crash",
          forMs: 1,
        };
        return [kill, slow, start, stall, crash];
      });
    },
  },
  {
    ...shop,
    name: "clock-steps",
    description: "the wall clock steps forwards and backwards, and the process is killed",
    families: ["clock", "process"],
  },
  {
    ...shop,
    name: "erasures",
    description:
      "visitors are erased while blobs are refused, clocks step and the process is killed",
    families: [],
    workload: (world, client) => visitShop(world, client, { erased: ERASED_OFTEN }),
    values: { "joiner.window": "1s", "storage.snapshots.interval": "1s" },
    faults: (random, _configuration, forMs) =>
      moments(forMs, 4).flatMap((atMs): Fault[] => [
        { kind: "stepClock", atMs, byMs: 10_000 + Math.floor(random.nextFloat() * 600_000) },
        { kind: "refuseBlobs", atMs, forMs: 500 + Math.floor(random.nextFloat() * 4_000) },
        {
          kind: "killProcess",
          power: random.nextFloat() < 0.5,
          atMs: atMs + 1_500 + Math.floor(random.nextFloat() * 2_500),
          downMs: 100,
        },
      ]),
  },
  {
    ...shop,
    name: "repeats-after-erasures",
    description: "a visitor is erased, others send events again, and the process is killed",
    families: [],
    workload: (world, client) =>
      visitShop(
        world,
        client,
        client === "visitor-0" ? { erased: 0.3 } : { erased: 0, repeated: REPEATED_OFTEN },
      ),
    values: {
      "joiner.window": "1s",
      "storage.snapshots.interval": "1s",
      "gateway.eventsRememberedMax": 1_000,
    },
    faults: (random, _configuration, forMs) =>
      moments(forMs, 4).map((atMs): Fault => ({
        kind: "killProcess",
        power: random.nextFloat() < 0.5,
        atMs: atMs + 1_000 + Math.floor(random.nextFloat() * 3_000),
        downMs: 100,
      })),
  },
  {
    ...shop,
    name: "erasures-while-clocks-step",
    description: "visitors are erased while they rank; scores are late and the wall clock steps",
    families: [],
    workload: (world, client) => visitShop(world, client, { erased: ERASED_OFTEN }),
    values: {
      "joiner.window": "1s",
      "storage.snapshots.interval": "1s",
      placement: { kind: "workers", shardThreads: 1 },
    },
    faults: (random, _configuration, forMs) =>
      moments(forMs, 6).flatMap((atMs): Fault[] => {
        const latencyMs = 300 + Math.floor(random.nextFloat() * 500);
        return [
          { kind: "slowLinks", atMs, node: "serving", latencyMs, forMs: 2_500 },
          // Within the first pass of erasures that begin meanwhile.
          ...[400, 900, 1_400, 1_900].map((afterMs): Fault => ({
            kind: "stepClock",
            atMs: atMs + afterMs,
            byMs: 60_000,
          })),
        ];
      }),
  },
  ...meshScenarios,
];
