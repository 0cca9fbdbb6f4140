/**
 * The scenarios of one process in which threads, disks, clocks and restarts fail.
 */
import type { Fault } from "../plan/fault.ts";
import { moments, shop } from "./process_shop.ts";
import type { Scenario } from "./scenario.ts";

export const processScenarios: readonly Scenario[] = [
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
    name: "clock-steps",
    description: "the wall clock steps forwards and backwards, and the process is killed",
    families: ["clock", "process"],
  },
];
