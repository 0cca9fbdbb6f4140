/**
 * Everything that decides the course of a run, as plain data: it can be written to a file, run
 * again, and shrunk.
 */
import { parseDocument } from "yaml";
import { type CairnConfiguration, parseConfiguration } from "../../configuration/configuration.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import { homeNodeOf, nodesOf, processesOf } from "../../server/layout.ts";
import { planOf } from "../../server/plan.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import type { Fault, FaultFamily } from "./fault.ts";
import { drawFaultPlan } from "./fault_plan.ts";
import { drawHostClocks, REDIS_CLOCK } from "./host_clocks.ts";
import { drawKnobs, type Values } from "./knobs.ts";
import type { RunConditions } from "./run_conditions.ts";

/** A run as data. */
export interface RunPlan extends RunConditions {
  readonly format: 1;
  /** Name of the scenario, whose workload the clients run. */
  readonly scenario: string;
  /** `cairn.yaml` as text. */
  readonly configuration: string;
  /** Values that are set in it, by path. */
  readonly values: Values;
  readonly faults: readonly Fault[];
  readonly clients: readonly string[];
  /** Clients work this long, ms of virtual time. */
  readonly forMs: number;
  /** After healing, everything must have come through within this long, ms. */
  readonly healMs: number;
  /** A segment of a log that would grow past this is followed by a new one, bytes. */
  readonly segmentBytesMax: number;
}

/** The choices of the command line or of a test. */
export interface DrawOptions {
  readonly seed: number;
  readonly scenario: Scenario;
  /** In place of the scenario's configuration. */
  readonly configuration?: string;
  /** Families of faults that strike; undefined leaves it to the scenario. */
  readonly families?: readonly FaultFamily[];
  readonly forMs?: number;
}

/** Messages at which interrupts strike, by kind of actor. */
const moments: Readonly<Record<string, readonly string[]>> = {
  embedding_shard: [
    "applyGradients",
    "lookup",
    "openSource",
    "beginSnapshot",
    "writeSnapshot",
    "takeDeltas",
    "exportRows",
  ],
  serving_replica: ["applyDelta", "loadRows", "setMark"],
  trainer: ["examplesAppended", "cut", "adoptMean"],
  joiner: ["eventsAppended"],
  snapshotter: ["wake"],
  scorer: ["loadDenseWeights", "changeReplicas"],
};

/** Share of the seeds of a mesh whose hosts have wall clocks of their own. */
const CLOCKS_APART_SHARE = 0.75;

/** Draws a run from a seed. */
export function drawRunPlan(options: DrawOptions): RunPlan {
  const { seed, scenario } = options;
  const random = new SeededRandom(seed);
  const configuration = options.configuration ?? scenario.configuration;
  const values = drawKnobs(random.stream("knobs"), scenario.knobs, scenario.values);
  const forMs = options.forMs ?? scenario.forMs;
  const checked = configurationOf(configuration, values);
  const families = options.families ?? scenario.families;
  const hosts = checked.mesh?.hosts.map(({ name }) => name) ?? [];
  const drawn = families?.length === 0 ? [] : drawFaultPlan({
    seed,
    forMs,
    targets: {
      nodes: processesOf(checked).flatMap(({ host }) => [
        homeNodeOf(host),
        ...nodesOf(checked, host).map(({ name }) => name),
      ]),
      actors: planOf(checked).map(({ kind, key }) => `${kind}/${key}`),
      interruptible: planOf(checked).flatMap(({ kind, key, node }) => {
        const messages = moments[kind];
        return messages === undefined ? [] : [{ node, actor: `${kind}/${key}`, messages }];
      }),
      reconfigurations: reconfigurationsOf(checked),
      hosts,
    },
    ...(families !== undefined && { families }),
  });
  const fixed = scenario.faults?.(random.stream("scenario"), checked, forMs) ?? [];
  const times = random.stream("times");
  const schedule = random.stream("schedule");
  const priorityChanges = [undefined, undefined, 1, 3][Math.floor(schedule.nextFloat() * 4)];
  const shardMailboxMax = scenario.shardMailboxMax ??
    [undefined, undefined, 1, 4][Math.floor(schedule.nextFloat() * 4)];
  const ofClocks = random.stream("clocks");
  const clocks = hosts.length > 0 && ofClocks.nextFloat() < CLOCKS_APART_SHARE
    ? drawHostClocks(ofClocks, [...hosts, REDIS_CLOCK])
    : undefined;
  const idsRetainedMs = checked.mesh === undefined
    ? undefined
    : [undefined, undefined, 500, 2_000][Math.floor(random.stream("ids").nextFloat() * 4)];
  return {
    format: 1,
    seed,
    scenario: scenario.name,
    configuration,
    values,
    faults: [...drawn, ...fixed].sort((a, b) => a.atMs - b.atMs),
    clients: Array.from({ length: scenario.clients }, (_, i) => `visitor-${i}`),
    forMs,
    healMs: scenario.healMs,
    linkMs: [0, 0.02, 0.2, 5][Math.floor(times.nextFloat() * 4)],
    syncMs: [0.1, 2, 20][Math.floor(times.nextFloat() * 3)],
    turnMessagesMax: [1, 2, 7, 1024][Math.floor(times.nextFloat() * 4)],
    ...(priorityChanges !== undefined && { priorityChanges }),
    ...(shardMailboxMax !== undefined && { shardMailboxMax }),
    ...(idsRetainedMs !== undefined && { idsRetainedMs }),
    ...(clocks !== undefined && { clocks }),
    segmentBytesMax: [2 ** 12, 2 ** 16, 2 ** 20][Math.floor(times.nextFloat() * 3)],
  };
}

/** Restarts of the swarm bring another number of shards, or batches of another size. */
function reconfigurationsOf({ shardCount }: CairnConfiguration): Values[] {
  return [
    ...[1, 2, 3, 5].filter((count) => count !== shardCount).map((count) => ({
      "shards.count": count,
    })),
    ...[1, 3, 16].map((rows) => ({ "trainer.batchRows": rows })),
  ];
}

/**
 * The configuration with values set, checked, and on a simulated data directory, so that it
 * restarts and snapshots.
 *
 * @throws {ConfigurationError} With every problem found.
 */
export function configurationOf(text: string, values: Values): CairnConfiguration {
  const document = parseDocument(text);
  if (document.getIn(["storage", "kind"]) !== "directory") {
    document.setIn(["storage"], document.createNode({ kind: "directory", path: "simulated" }));
  }
  for (const [path, value] of Object.entries(values)) {
    document.setIn(path.split("."), document.createNode(value));
  }
  return parseConfiguration(String(document), "simulated.yaml");
}
