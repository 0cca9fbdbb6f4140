/**
 * The scenarios of several hosts that ship.
 */
import type { Knob } from "../plan/knobs.ts";
import type { Fault } from "../plan/fault.ts";
import { fiveHosts, meshShop, twoHosts } from "./mesh_shop.ts";
import type { Scenario } from "./scenario.ts";
import { visitShop } from "./shop.ts";

/** Settings that the runs of a mesh draw. */
const meshKnobs: readonly Knob[] = [
  { path: "trainer.count", values: [1, 2] },
  { path: "trainer.batchRows", values: [2, 8, 32] },
  { path: "sync.rowsInterval", values: ["50ms", "300ms"] },
  { path: "storage.snapshots.interval", values: ["2s", "5s"] },
  {
    path: "placement",
    values: [{ kind: "singleThread" }, { kind: "singleThread" }, {
      kind: "workers",
      shardThreads: 1,
    }],
  },
];

const mesh = {
  configuration: meshShop(fiveHosts),
  knobs: meshKnobs,
  clients: 3,
  workload: visitShop,
  forMs: 15_000,
  healMs: 60_000,
} as const;

/** Time in which the hosts find each other before the first fault, ms. */
const START_MS = 4_000;

export const meshScenarios: readonly Scenario[] = [
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
    faults: (random, { mesh: section }, forMs) => {
      const hosts = section?.hosts.map(({ name }) => name) ?? [];
      return [0, 1].map((i): Fault => ({
        kind: "killHost",
        atMs: Math.round(START_MS + i * (forMs - START_MS) / 2),
        host: hosts[Math.floor(random.nextFloat() * hosts.length)],
        power: random.nextFloat() < 0.5,
        downMs: Math.round(200 + random.nextFloat() * 5_000),
      }));
    },
  },
];
