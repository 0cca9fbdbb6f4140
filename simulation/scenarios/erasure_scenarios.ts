/**
 * The scenarios of one process in which visitors are erased.
 */
import type { Fault } from "../plan/fault.ts";
import { moments, shop } from "./process_shop.ts";
import type { Scenario } from "./scenario.ts";
import { visitShop } from "./shop.ts";

/** Share of visits after which the visitor asks to be erased, where erasures are the point. */
const ERASED_OFTEN = 0.1;
/** The same over slow links, where many erasures that wait to be served delay each other. */
const ERASED_NOW_AND_THEN = 0.05;
/** Share of visits that end with an event that was sent before, where these are the point. */
const REPEATED_OFTEN = 0.6;

export const erasureScenarios: readonly Scenario[] = [
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
    workload: (world, client) => visitShop(world, client, { erased: ERASED_NOW_AND_THEN }),
    values: {
      "joiner.window": "1s",
      "storage.snapshots.interval": "1s",
      placement: { kind: "workers", shardThreads: 1 },
    },
    faults: (random, _configuration, forMs) =>
      moments(forMs, 6).flatMap((atMs): Fault[] => {
        // Nearly the gateway's deadline: the ranking ends after the step that follows the erasure.
        const latencyMs = 750 + Math.floor(random.nextFloat() * 200);
        return [
          { kind: "slowLinks", atMs, node: "serving", latencyMs, forMs: 1_500 },
          ...[200, 400, 600, 800, 1_000, 1_200, 1_400, 1_600, 1_800].map((afterMs): Fault => ({
            kind: "stepClock",
            atMs: atMs + afterMs,
            byMs: 60_000,
          })),
        ];
      }),
  },
];
