/**
 * The scenarios of several hosts in which snapshots, or data of Redis, are lost.
 */
import type { Address } from "../../mesh/runtime/actor.ts";
import { chosen } from "../plan/draws.ts";
import type { Fault } from "../plan/fault.ts";
import { hostsFor, hostsOf, LEASE_MS, mesh, moments } from "./mesh_shop.ts";
import type { Scenario } from "./scenario.ts";

export const meshLossScenarios: readonly Scenario[] = [
  {
    ...mesh,
    name: "volume-lost",
    description: "the volume of one host's blobs is away while another host with shards is killed",
    values: { "storage.snapshots.interval": "1s" },
    families: [],
    faults: (random, configuration, forMs) => {
      const tables = hostsFor("shards", configuration);
      return moments(forMs, 2).flatMap((atMs): Fault[] => {
        const host = chosen(random, tables);
        const dies = chosen(random, tables.filter((other) => other !== host));
        const power = random.nextFloat() < 0.5;
        return [
          {
            kind: "unmountBlobs",
            atMs,
            host,
            forMs: Math.round(4_000 + random.nextFloat() * 4_000),
          },
          // Until its lease has ended.
          { kind: "killHost", atMs: atMs + 200, host: dies, power, downMs: LEASE_MS + 1_500 },
        ];
      });
    },
  },
  {
    ...mesh,
    name: "volume-restored",
    description: "one host has an older copy of the blobs while a shard and a trainer crash",
    values: { "storage.snapshots.interval": "1s" },
    families: [],
    faults: (random, configuration, forMs) => {
      const hosts = [...hostsFor("shards", configuration), ...hostsFor("trainer", configuration)];
      return moments(forMs, 2).flatMap((atMs): Fault[] => {
        // Older than all snapshots that are kept.
        const copyAgeMs = Math.round(3_500 + random.nextFloat() * 1_000);
        const shard = Math.floor(random.nextFloat() * 4);
        const crashed: readonly Address[] = [`embedding_shard/${shard}`, "trainer/0"];
        return [
          {
            kind: "unmountBlobs",
            atMs,
            host: chosen(random, hosts),
            forMs: Math.round(2_000 + random.nextFloat() * 2_000),
            copyAgeMs,
          },
          ...crashed.map((actor): Fault => ({
            kind: "crashActor",
            atMs: atMs + copyAgeMs + Math.round(random.nextFloat() * 1_000),
            actor,
          })),
        ];
      });
    },
  },
  {
    ...mesh,
    name: "snapshots-given-up",
    description:
      "snapshots are lost, and the operator has the mesh begin from what is left while hosts serve",
    families: [],
    values: { "storage.snapshots.interval": "2s" },
    faults: (random, _configuration, forMs) =>
      moments(forMs, 2).map((atMs): Fault => ({
        kind: "recoverMesh",
        atMs: Math.round(atMs + 2_000 + random.nextFloat() * 3_000),
        lost: random.nextFloat() < 0.5 ? "newest" : "all",
      })),
  },
  {
    ...mesh,
    name: "lost-redis-tail",
    description:
      "Redis fails over and loses its newest writes; the operator accepts the loss, or restarts hosts",
    families: [],
    faults: (random, _configuration, forMs) => [{
      kind: "failOverRedis",
      atMs: moments(forMs, 2)[1],
      lostMs: Math.round(50 + random.nextFloat() * 3_000),
      downMs: Math.round(100 + random.nextFloat() * 2_000),
      ...(random.nextFloat() < 0.5 && { restartsOnly: true }),
    }],
  },
  {
    ...mesh,
    name: "old-redis-primary",
    description: "clients of Redis come back to an old primary that never followed the new one",
    families: [],
    faults: (random, _configuration, forMs) => [{
      kind: "failOverRedis",
      atMs: moments(forMs, 2)[1],
      lostMs: 0,
      downMs: Math.round(10 + random.nextFloat() * 500),
      awayMs: Math.round(200 + random.nextFloat() * 3_000),
      ...(random.nextFloat() < 0.5 && { restartsOnly: true }),
    }],
  },
  {
    ...mesh,
    name: "lost-rankings",
    description:
      "Redis fails over again and again, with all that was confirmed, and one gateway notices late",
    clients: 6,
    families: [],
    faults: (random, configuration, forMs) =>
      moments(forMs, 6).flatMap((atMs): Fault[] => {
        const unconfirmedMs = Math.round(random.nextFloat() * 700);
        const downMs = Math.round(10 + random.nextFloat() * 500);
        return [
          {
            kind: "failOverRedis",
            atMs,
            unconfirmedMs,
            lostMs: unconfirmedMs + downMs,
            downMs,
            isConfirmedKept: true,
          },
          // The other gateway has events on its rankings while it appends these again.
          {
            kind: "slowRedis",
            atMs: atMs + unconfirmedMs + Math.round(downMs / 2),
            host: chosen(random, hostsFor("serving", configuration)),
            latencyMs: Math.round(random.nextFloat() * 200),
            forMs: downMs + 500,
          },
        ];
      }),
  },
  {
    ...mesh,
    name: "lost-redis-claims",
    description: "Redis fails over and loses the epochs that a drain has just minted",
    families: [],
    faults: (random, configuration, forMs) => {
      const tables = hostsOf(configuration).filter((name) => name.startsWith("table"));
      const atMs = moments(forMs, 3)[1];
      return [
        { kind: "drainHost", atMs, host: chosen(random, tables), forMs: 2_500 },
        {
          kind: "failOverRedis",
          atMs: Math.round(atMs + 50 + random.nextFloat() * 1_500),
          lostMs: Math.round(200 + random.nextFloat() * 2_500),
          downMs: Math.round(100 + random.nextFloat() * 1_000),
        },
      ];
    },
  },
];
