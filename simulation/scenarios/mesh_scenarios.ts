/**
 * The scenarios of several hosts that ship.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { RandomStream } from "../../mesh/ports/random.ts";
import { addresses } from "../../server/addresses.ts";
import { chosen } from "../plan/draws.ts";
import type { Fault } from "../plan/fault.ts";
import { CLOCK_AHEAD_MS_MAX } from "../plan/host_clocks.ts";
import { planCommands, type ReshardMesh } from "../plan/mesh_fault.ts";
import {
  hostsFor,
  hostsOf,
  LEASE_MS,
  mesh,
  meshShop,
  moments,
  servingHosts,
  START_MS,
  twoHosts,
} from "./mesh_shop.ts";
import type { Scenario } from "./scenario.ts";
import { visitShop } from "./shop.ts";

/** A change of a number of parts; one of five is given up soon. */
function changeOf(
  change: Omit<ReshardMesh, "kind" | "atMs" | "cancelMs">,
  random: RandomStream,
  atMs: number,
): Fault {
  const cancelMs = random.nextFloat() < 0.2 ? Math.round(random.nextFloat() * 400) : undefined;
  return { kind: "reshardMesh", atMs, ...change, ...(cancelMs !== undefined && { cancelMs }) };
}

/** A host is killed, paused past its lease or cut off, soon after a moment. */
function strikeAfter(atMs: number, random: RandomStream, hosts: readonly string[]): Fault {
  const host = chosen(random, hosts);
  const struckMs = Math.round(atMs + random.nextFloat() * 1_500);
  const drawn = random.nextFloat();
  const downMs = Math.round(200 + random.nextFloat() * 5_000);
  if (drawn < 0.5) {
    return { kind: "killHost", atMs: struckMs, host, power: drawn < 0.25, downMs };
  }
  if (drawn < 0.75) {
    // Longer than the host's lease.
    const forMs = Math.round(LEASE_MS * (1 + drawn));
    return { kind: "pauseHost", atMs: struckMs, host, forMs };
  }
  const to = chosen(random, hosts.filter((other) => other !== host));
  return {
    kind: "cutHosts",
    atMs: struckMs,
    from: host,
    to,
    bothWays: drawn < 0.9,
    forMs: downMs,
  };
}

/**
 * A host that restores new shards dies, which delays the fill of the new replicas. Meanwhile a
 * scorer crashes: it starts again with the old replicas, and without the mark that it had reached.
 */
function scorerCrashWhileFilled(
  random: RandomStream,
  configuration: CairnConfiguration,
  reshardMs: number,
): Fault[] {
  const diesMs = Math.round(reshardMs + 150 + random.nextFloat() * 350);
  const downMs = Math.round(500 + random.nextFloat() * 3_500);
  const scorer = addresses.scorer(chosen(random, hostsFor("serving", configuration)));
  return [
    {
      kind: "killHost",
      atMs: diesMs,
      host: chosen(random, hostsFor("shards", configuration)),
      power: random.nextFloat() < 0.5,
      downMs,
    },
    {
      kind: "crashActor",
      atMs: Math.round(diesMs + random.nextFloat() * downMs),
      actor: scorer,
    },
  ];
}

export const meshScenarios: readonly Scenario[] = [
  {
    ...mesh,
    name: "mesh-swarm",
    description: "every family of faults of a mesh by a coin",
  },
  {
    ...mesh,
    name: "mesh-quiet",
    description: "several hosts without faults",
    families: [],
  },
  {
    ...mesh,
    name: "host-dies",
    description: "hosts are killed, with their machine or without, and start again",
    configuration: meshShop(twoHosts),
    families: [],
    faults: (random, configuration, forMs) =>
      moments(forMs, 2).map((atMs): Fault => ({
        kind: "killHost",
        atMs,
        host: chosen(random, hostsOf(configuration)),
        power: random.nextFloat() < 0.5,
        downMs: Math.round(200 + random.nextFloat() * 5_000),
      })),
  },
  {
    ...mesh,
    name: "partition",
    description: "hosts are cut off from each other and from Redis, one way too, or stand still",
    families: ["partitions"],
    faults: (random, configuration, forMs) =>
      moments(forMs, 2).map((atMs): Fault => ({
        kind: "pauseHost",
        atMs,
        host: chosen(random, hostsOf(configuration)),
        // Longer than the host's lease.
        forMs: Math.round(LEASE_MS * (1 + random.nextFloat())),
      })),
  },
  {
    ...mesh,
    name: "overtaken-rankings",
    description:
      "Redis is slow for one of two serving hosts; the other one accepts events on its rankings",
    clients: 6,
    families: [],
    values: { "gateway.unknownRankings": "accept" },
    faults: (random, configuration, forMs) => {
      const serving = hostsFor("serving", configuration);
      const toMs = Math.round((random.nextFloat() - 0.5) * 2 * CLOCK_AHEAD_MS_MAX);
      return [
        { kind: "stepHostClock", atMs: START_MS, host: chosen(random, serving), toMs },
        ...moments(forMs, 4).map((atMs): Fault => ({
          kind: "slowRedis",
          atMs,
          host: chosen(random, serving),
          // A ranking is answered after 200 ms, and comes to the log later.
          latencyMs: Math.round(250 + random.nextFloat() * 150),
          forMs: 2_000,
        })),
      ];
    },
  },
  {
    ...mesh,
    name: "events-of-users",
    description:
      "events name users alone and go to any gateway; serving hosts are killed while Redis is slow",
    clients: 6,
    workload: (world, client) =>
      visitShop(world, client, { erased: 0, unranked: 0.8, asksAgain: true }),
    families: [],
    faults: (random, configuration, forMs) => {
      if (random.nextFloat() < 0.5) return [];
      return moments(forMs, 3).flatMap((atMs): Fault[] => {
        const host = chosen(random, hostsFor("serving", configuration));
        const slow = { host, latencyMs: Math.round(random.nextFloat() * 400), forMs: 1_500 };
        const dies = { host, power: random.nextFloat() < 0.5, downMs: 500 };
        return [
          { kind: "slowRedis", atMs, ...slow },
          // Rankings that it logs have no answer, and are asked for at the other one.
          { kind: "killHost", atMs: Math.round(atMs + 500 + random.nextFloat() * 500), ...dies },
        ];
      });
    },
  },
  {
    ...mesh,
    name: "rolling-restart-of-hosts",
    description: "one host after another stops in order and starts again, with one more at the end",
    families: [],
    faults: (_random, configuration, forMs) => {
      const hosts = hostsOf(configuration);
      const times = moments(forMs, hosts.length + 1);
      const more = {
        "mesh.hosts.table-3": { address: "table-3:7400", roles: ["shards"], http: "table-3:8090" },
      };
      return [...hosts, "table-3"].map((host, i): Fault => ({
        kind: "restartHost",
        atMs: times[i],
        host,
        downMs: 200,
        configuration: i === 0 ? more : {},
      }));
    },
  },
  {
    ...mesh,
    name: "hosts-change-threads",
    description:
      "hosts, of which four serve, are restarted one after another with other threads and replicas",
    configuration: meshShop(servingHosts),
    families: [],
    values: { "embeddings.serving.replicas": 2 },
    faults: (random, configuration, forMs) => {
      const order = hostsOf(configuration).map((host) => ({ host, at: random.nextFloat() }))
        .toSorted((a, b) => a.at - b.at);
      const times = moments(forMs, order.length);
      return order.map(({ host }, i): Fault => ({
        kind: "restartHost",
        atMs: times[i],
        host,
        downMs: 200,
        configuration: {
          placement: chosen(random, [
            { kind: "singleThread" },
            { kind: "workers", shardThreads: 1 },
            { kind: "workers", shardThreads: 2, scoringThread: "main" },
          ]),
          "embeddings.serving.replicas": chosen(random, [2, 3, "all"]),
        },
      }));
    },
  },
  {
    ...mesh,
    name: "joiners-change-hosts",
    description: "hosts that join are drained, killed and paused past their lease",
    families: [],
    values: { "joiner.partitions": 4, "trainer.partitions": 8, "trainer.count": 2 },
    faults: (random, configuration, forMs) => {
      const learning = hostsOf(configuration).filter((name) => name.startsWith("learn"));
      return moments(forMs, 4).map((atMs, i): Fault => {
        const host = learning[i % learning.length];
        const drawn = random.nextFloat();
        if (drawn < 0.4) return { kind: "drainHost", atMs, host, forMs: 2_500 };
        const downMs = Math.round(200 + random.nextFloat() * 5_000);
        if (drawn < 0.7) return { kind: "killHost", atMs, host, power: drawn < 0.5, downMs };
        // Longer than the host's lease.
        return { kind: "pauseHost", atMs, host, forMs: Math.round(LEASE_MS * (1 + drawn)) };
      });
    },
  },
  {
    ...mesh,
    name: "first-trainer-moves",
    description: "the host of trainer 0, whose clock is ahead, is drained while blobs are slow",
    families: [],
    values: {
      "storage.snapshots.interval": "1s",
      "trainer.count": 2,
      "trainer.partitions": 4,
    },
    forMs: 30_000,
    faults: (random, configuration, forMs) => {
      const [ahead, behind] = hostsFor("trainer", configuration);
      return [
        { kind: "slowBlobs", atMs: 0, forMs, latencyMs: 300 },
        { kind: "stepHostClock", atMs: 1_000, host: ahead, toMs: CLOCK_AHEAD_MS_MAX },
        { kind: "stepHostClock", atMs: 1_000, host: behind, toMs: -CLOCK_AHEAD_MS_MAX },
        ...moments(forMs, 4).flatMap((momentMs): Fault[] => {
          const atMs = momentMs + Math.floor(random.nextFloat() * 1_500);
          return [
            { kind: "drainHost", atMs, host: ahead, forMs: 3_000 },
            { kind: "drainHost", atMs: atMs + 3_500, host: behind, forMs: 1_000 },
          ];
        }),
      ];
    },
  },
  {
    ...mesh,
    name: "cuts-while-shards-move",
    description: "hosts with shards are drained while snapshots are due and blobs are slow",
    families: [],
    values: { "storage.snapshots.interval": "1s" },
    faults: (random, configuration, forMs) => {
      const tables = hostsFor("shards", configuration);
      return [
        // A shard moves between its cut and the write of its rows.
        { kind: "slowBlobs", atMs: 0, forMs, latencyMs: 300 },
        ...moments(forMs, 3).map((momentMs, i): Fault => ({
          kind: "drainHost",
          atMs: Math.round(momentMs + random.nextFloat() * 1_000),
          host: tables[i % tables.length],
          forMs: 2_500,
        })),
      ];
    },
  },
  {
    ...mesh,
    name: "live-reshard",
    description:
      "the number of shards changes while hosts are killed, paused and cut off, and scorers crash",
    families: [],
    faults: (random, configuration, forMs) => {
      const isQuiet = random.nextFloat() < 0.2;
      return moments(forMs, 3).flatMap((atMs): Fault[] => {
        const to = chosen(random, [1, 2, 3, 5, 7, 8]);
        const reshard = changeOf({ parts: "shards", to }, random, atMs);
        if (isQuiet) return [reshard];
        if (random.nextFloat() < 0.3) {
          return [reshard, ...scorerCrashWhileFilled(random, configuration, atMs)];
        }
        return [reshard, strikeAfter(atMs, random, hostsOf(configuration))];
      });
    },
  },
  {
    ...mesh,
    name: "spread-serving",
    description:
      "four serving hosts, of which two hold each shard's rows, are killed, paused and cut off",
    configuration: meshShop(servingHosts),
    families: [],
    values: { "embeddings.serving.replicas": 2 },
    faults: (random, configuration, forMs) => {
      const isQuiet = random.nextFloat() < 0.1;
      const serving = hostsFor("serving", configuration);
      return moments(forMs, 3).flatMap((atMs): Fault[] => {
        const strike = strikeAfter(atMs, random, serving);
        if (random.nextFloat() < 0.8) return isQuiet ? [] : [strike];
        const to = chosen(random, [2, 3, 5, 8]);
        const reshard = changeOf({ parts: "shards", to }, random, atMs);
        return isQuiet ? [reshard] : [reshard, strike];
      });
    },
  },
  {
    ...mesh,
    name: "live-trainers",
    description: "the number of trainers changes while hosts are killed, paused and cut off",
    families: [],
    values: { "trainer.partitions": 4 },
    faults: (random, configuration, forMs) => {
      const isQuiet = random.nextFloat() < 0.2;
      const hosts = hostsOf(configuration);
      // Half of the strikes hit a host that trains.
      const learning = hostsFor("trainer", configuration);
      return moments(forMs, 4).flatMap((atMs): Fault[] => {
        const to = chosen(random, [1, 2, 3, 4]);
        const overrides = random.nextFloat() < 0.3 ? { overrides: true } as const : {};
        const change = changeOf({ parts: "trainers", to, ...overrides }, random, atMs);
        if (isQuiet) return [change];
        return [change, strikeAfter(atMs, random, random.nextFloat() < 0.5 ? learning : hosts)];
      });
    },
  },
  {
    ...mesh,
    name: "live-partitions",
    description:
      "partitions change, some with the trainers, while hosts are killed, paused and cut off",
    families: [],
    values: { "joiner.partitions": 2 },
    faults: (random, configuration, forMs) => {
      const isQuiet = random.nextFloat() < 0.2;
      const hosts = hostsOf(configuration);
      // Half of the strikes hit a host that joins.
      const joining = hostsFor("joiner", configuration);
      return moments(forMs, 4).flatMap((atMs): Fault[] => {
        const to = chosen(random, [1, 2, 3, 4]);
        const trainers = chosen(random, [undefined, undefined, 1, 2, 3]);
        const dealt = trainers === undefined ? {} : { trainers };
        const change = changeOf({ parts: "partitions", to, ...dealt }, random, atMs);
        if (isQuiet) return [change];
        return [change, strikeAfter(atMs, random, random.nextFloat() < 0.5 ? joining : hosts)];
      });
    },
  },
  {
    ...mesh,
    name: "trainers-on-slow-links",
    description: "more trainers begin on hosts whose links to shards are slow",
    clients: 6,
    families: [],
    values: { "trainer.partitions": 4, "trainer.count": 1 },
    faults: (random, configuration, forMs) => {
      const [atMs] = moments(forMs, 1);
      const to = chosen(random, [2, 3, 4]);
      const slow = moments(forMs, 3).map((eachMs): Fault => ({
        kind: "slowHosts",
        atMs: eachMs + 1_000,
        from: chosen(random, hostsFor("trainer", configuration)),
        to: chosen(random, hostsFor("shards", configuration)),
        latencyMs: Math.round(100 + random.nextFloat() * 300),
        forMs: 2_500,
      }));
      return [{ kind: "reshardMesh", atMs, parts: "trainers", to }, ...slow];
    },
  },
  {
    ...mesh,
    name: "operator-at-work",
    description:
      "plans are applied, cancelled and rolled back while hosts are drained, killed and paused",
    families: [],
    knobs: [...mesh.knobs, { path: "mesh.balance", values: [true, true, false] }],
    values: { "joiner.partitions": 4, "trainer.partitions": 4, "trainer.count": 2 },
    forMs: 24_000,
    faults: (random, configuration, forMs) => {
      const hosts = hostsOf(configuration);
      const placing = hosts.filter((host) => !host.startsWith("edge"));
      const lastMs = Math.round(forMs - random.nextFloat() * 3_000);
      const last: Fault[] = random.nextFloat() < 0.5 ? [] : [{
        kind: "drainHost",
        atMs: lastMs,
        host: chosen(random, placing),
        forMs: forMs - lastMs,
        stays: true,
      }];
      return moments(forMs, 5).flatMap((momentMs): Fault[] => {
        const atMs = Math.round(momentMs + random.nextFloat() * 1_000);
        const drained = chosen(random, placing);
        // The hosts differ at its end, so that there is a plan to apply.
        const drain = { kind: "drainHost", atMs, host: drained, forMs: 1_500 } as const;
        const commands =
          (["apply", chosen(random, planCommands), chosen(random, planCommands)] as const)
            .map((command, i): Fault => ({
              kind: "commandMesh",
              atMs: Math.round(atMs + 1_500 + (i + random.nextFloat()) * 300),
              command,
            }));
        const strike = random.nextFloat() < 0.4 ? [strikeAfter(atMs, random, hosts)] : [];
        return [drain, ...commands, ...strike];
      }).concat(last);
    },
  },
  {
    ...mesh,
    name: "controller-dies-in-freeze",
    description: "hosts are drained; in a freeze the controller dies and the target is cut off",
    clients: 6,
    families: [],
    // Long enough to see that the freeze does not wait for its end.
    values: { "mesh.lease": "8s" },
    forMs: 24_000,
    faults: (random, configuration, forMs) => {
      const tables = hostsOf(configuration).filter((name) => name.startsWith("table"));
      return moments(forMs, 2).flatMap((atMs): Fault[] => {
        const power = random.nextFloat() < 0.5;
        const downMs = Math.round(200 + random.nextFloat() * 9_000);
        return [
          { kind: "killController", atMs: atMs - 1, power, downMs },
          { kind: "drainHost", atMs, host: chosen(random, tables), forMs: 9_000 },
        ];
      });
    },
  },
  {
    ...mesh,
    name: "drain-under-load",
    description: "hosts are drained and undrained while visitors act; links are slow",
    clients: 6,
    families: [],
    // Rows change in the drains' last moments: examples come early, and a freeze takes its time.
    values: { "joiner.window": "1s" },
    faults: (random, configuration, forMs) => {
      const tables = hostsOf(configuration).filter((name) => name.startsWith("table"));
      return moments(forMs, 3).flatMap((atMs): Fault[] => {
        const [host, other] = random.nextFloat() < 0.5 ? tables : tables.toReversed();
        const latencyMs = Math.round(random.nextFloat() * 300);
        return [
          { kind: "drainHost", atMs, host, forMs: 2_500 },
          { kind: "slowHosts", atMs: atMs + 100, from: host, to: other, latencyMs, forMs: 1_500 },
        ];
      });
    },
  },
];
