/**
 * The scenarios of one process with several partitions and trainers, and with replays.
 */
import { homeNode } from "../../server/layout.ts";
import { chosen } from "../plan/draws.ts";
import type { Fault } from "../plan/fault.ts";
import { paying } from "../plan/knobs.ts";
import { moments, shardsOf, shop } from "./process_shop.ts";
import type { Scenario } from "./scenario.ts";

export const learningScenarios: readonly Scenario[] = [
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
    name: "refused-examples",
    description: "values that no model can learn come in bursts, while actors crash",
    families: ["actors", "process"],
    values: paying,
  },
];
