/**
 * Simulations in one's own tests: the whole mesh from a `cairn.yaml`, or actors of one's own, under
 * drawn or listed faults, with promises that must hold.
 */
import { counted } from "../structures/counted.ts";
import { type Check, checkerOf, pendingOf } from "./checks.ts";
import { describeFault, type Fault, type FaultFamily } from "./plan/fault.ts";
import { drawFaultPlan } from "./plan/fault_plan.ts";
import { PICTURE_EVENTS_MAX, runPage } from "./picture/run_page.ts";
import { configurationOf, drawRunPlan, type RunPlan } from "./plan/run_plan.ts";
import { run } from "./run.ts";
import { type RunOutcome, runWorld } from "./run_world.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { shopConfiguration } from "./scenarios/shop.ts";
import { formatSeed, parseSeed } from "./seed.ts";
import { shrinkPlan } from "./shrink/shrink_plan.ts";
import { actorProgram, nodesOfActors, type OwnActors } from "./world/program.ts";
import { homeNode } from "../server/layout.ts";
import { ProcessWorld } from "./world/process_world.ts";
import type { World } from "./world/world.ts";

/** A simulation. */
export interface SimulateOptions {
  /** A number, or a text as on the command line: `7`, `0x7f3a`, a commit's hash. Default 1. */
  readonly seed?: number | string;
  /** Runs so many seeds, from `seed` on. Default 1. */
  readonly seeds?: number;
  /** `cairn.yaml` as text, for the whole mesh; or actors of one's own. */
  readonly mesh: string | OwnActors;
  /** Families to draw from, or an exact list. Default: none. */
  readonly faults?: readonly FaultFamily[] | readonly Fault[];
  /** Clients that run the workload. Default 1. */
  readonly clients?: number;
  /** The work of one client; it should end once `world.running` is false. */
  workload(world: World, client: string): Promise<void>;
  /** Called for each run: checks may keep state. */
  readonly checks?: () => readonly Check[];
  /** Clients work this long, ms of virtual time. Default 10,000. */
  readonly forMs?: number;
  /** Everything must have come through within this long after healing, ms. Default 30,000. */
  readonly healMs?: number;
  /** Runs of a shrink at most. Default 100. */
  readonly shrinkRunsMax?: number;
}

/** The result of a simulation. */
export interface Simulation {
  /** The first failing run, after shrinking; undefined where every run passed. */
  readonly failure: SimulationFailure | undefined;
  /** Hash of the last run: the same for the same seed and code. */
  readonly traceHash: string;
  readonly events: number;
  /** Names of the `sometimes` that no run has reached. */
  readonly missed: readonly string[];
  /** @throws {SimulationError} When a run failed; the message has its seed and its faults. */
  assertPassed(): void;
  /**
   * Repeats the failing run after shrinking, or the last run where all passed, and draws it as an
   * HTML page: its faults over time, and its last messages as a ladder.
   */
  page(): Promise<string>;
}

/** A failing run. */
export interface SimulationFailure {
  readonly seed: number;
  readonly checker: string;
  readonly message: string;
  readonly plan: RunPlan;
  readonly faults: readonly Fault[];
}

/** A promise was broken in a simulation. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  constructor(readonly failure: SimulationFailure) {
    const { seed, checker, message, faults, plan } = failure;
    super([
      `${checker}: ${message}`,
      `  seed ${formatSeed(seed)} (repeat it with seed: "${formatSeed(seed)}", seeds: 1), ` +
      `${counted(plan.clients.length, "client")}, ${counted(faults.length, "fault")}:`,
      ...faults.map((fault) => `  ${describeFault(fault)}`),
    ].join("\n"));
  }
}

/**
 * Runs a simulation, and shrinks the first failure.
 *
 * ```ts ignore
 * const simulation = await simulate({
 *   mesh: { definitions: [counter], actors: [{ address: "counter/0", node: "a" }] },
 *   faults: ["process", "threads"],
 *   seeds: 50,
 *   async workload(world) {
 *     while (world.running) {
 *       await world.actor("counter/0").ask({ kind: "add" }, { budgetMs: 100 }).catch(() => {});
 *       await world.sleep(50);
 *     }
 *   },
 *   checks: () => [always("totals grow", grows())],
 * });
 * simulation.assertPassed();
 * ```
 */
export async function simulate(options: SimulateOptions): Promise<Simulation> {
  const { seed = 1, seeds = 1 } = options;
  const first = typeof seed === "number" ? seed : parseSeed(seed);
  const reached = new Set<string>();
  const note = (name: string) => void reached.add(name);
  let failure: SimulationFailure | undefined;
  let events = 0;
  let traceHash = "";
  let last = planOf(options, first);
  for (let i = 0; i < seeds && failure === undefined; i++) {
    const plan = last = planOf(options, first + i);
    const outcome = await runPlan(options, plan, note);
    events += outcome.events;
    traceHash = outcome.traceHash;
    if (outcome.kind !== "passed") failure = await shrunk(options, plan, outcome);
  }
  const names = (options.checks?.() ?? [])
    .filter(({ kind }) => kind === "sometimes").map(({ name }) => name);
  return {
    failure,
    traceHash,
    events,
    missed: names.filter((name) => !reached.has(name)),
    assertPassed() {
      if (failure !== undefined) throw new SimulationError(failure);
    },
    async page() {
      const plan = failure?.plan ?? last;
      return runPage(plan, await runPlan(options, plan, () => {}, PICTURE_EVENTS_MAX));
    },
  };
}

async function shrunk(
  options: SimulateOptions,
  plan: RunPlan,
  outcome: RunOutcome,
): Promise<SimulationFailure> {
  const found = await shrinkPlan(plan, outcome, {
    runsMax: options.shrinkRunsMax ?? 100,
    msMax: Infinity,
    nowMs: () => 0,
    run: (candidate) => runPlan(options, candidate, () => {}),
  });
  const { checker = "", message = "" } = found.outcome;
  return { seed: plan.seed, checker, message, plan: found.plan, faults: found.plan.faults };
}

function planOf(options: SimulateOptions, seed: number): RunPlan {
  const { mesh, faults = [], clients = 1, forMs = 10_000, healMs = 30_000 } = options;
  const listed = faults.filter((fault) => typeof fault !== "string");
  const families = faults.filter((fault) => typeof fault === "string");
  const plan = drawRunPlan({ seed, scenario: scenarioOf(options, () => {}), families: [], forMs });
  const drawn = typeof mesh === "string"
    ? drawRunPlan({ seed, scenario: scenarioOf(options, () => {}), families, forMs }).faults
    : drawFaultPlan({
      seed,
      forMs,
      families,
      targets: {
        nodes: nodesOfActors(mesh),
        actors: mesh.actors.map(({ address }) => address),
        interruptible: mesh.actors.map(({ address, node = homeNode }) => ({
          node,
          actor: address,
          messages: [],
        })),
        reconfigurations: [],
        hosts: [],
      },
    });
  return {
    ...plan,
    faults: [...listed, ...families.length === 0 ? [] : drawn].sort((a, b) => a.atMs - b.atMs),
    clients: Array.from({ length: clients }, (_, i) => `client-${i}`),
    healMs,
  };
}

function scenarioOf(options: SimulateOptions, reached: (name: string) => void): Scenario {
  const checks = options.checks?.() ?? [];
  return {
    name: "own",
    description: "a simulation of a test",
    configuration: typeof options.mesh === "string" ? options.mesh : shopConfiguration,
    knobs: [],
    clients: options.clients ?? 1,
    workload: (world, client) => options.workload(world, client),
    checkers: [checkerOf(checks, reached)],
    pending: (world) => pendingOf(checks, world),
    forMs: options.forMs ?? 10_000,
    healMs: options.healMs ?? 30_000,
  };
}

async function runPlan(
  options: SimulateOptions,
  plan: RunPlan,
  reached: (name: string) => void,
  traceEventsMax = 0,
): Promise<RunOutcome> {
  const scenario = scenarioOf(options, reached);
  if (typeof options.mesh === "string") return await run(plan, scenario, traceEventsMax);
  const configuration = configurationOf(plan.configuration, plan.values);
  const program = actorProgram(options.mesh);
  return await runWorld({
    ...plan,
    create: () =>
      new ProcessWorld({
        ...plan,
        program,
        configuration,
        reconfigure: () => configuration,
        traceEventsMax,
        checkers: () => scenario.checkers ?? [],
      }),
    pending: async (world) => await scenario.pending?.(world),
    workload: (world, client) => scenario.workload(world, client),
  });
}
