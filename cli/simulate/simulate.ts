/**
 * Runs simulated worlds as the command line asks, and reports the first failure with the line that
 * repeats it.
 */
import { dirname } from "node:path";
import { counted } from "../../structures/counted.ts";
import { parseDurationMs } from "../../configuration/units.ts";
import { type CampaignResult, runCampaign } from "../../simulation/campaign.ts";
import { faultFamilies, type FaultFamily } from "../../simulation/plan/fault.ts";
import type { RunPlan } from "../../simulation/plan/run_plan.ts";
import { requireAccess } from "./access.ts";
import { perfettoTrace } from "./perfetto.ts";
import { PICTURE_EVENTS_MAX, runPage } from "../../simulation/picture/run_page.ts";
import { missedProbes } from "../../simulation/probes.ts";
import { run } from "../../simulation/run.ts";
import type { RunOutcome } from "../../simulation/run_world.ts";
import type { SeedTask } from "../../simulation/seed_run.ts";
import type { Scenario } from "../../simulation/scenarios/scenario.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";
import { parseSeed, SEED_END, SeedError } from "../../simulation/seed.ts";
import type { Output } from "../command_line.ts";
import { CommandError, CommandExit } from "../errors.ts";
import { Progress, stderrTarget } from "../progress.ts";
import { plants } from "../../simulation/plants/plants.ts";
import { runPlanted } from "./planted.ts";
import { EXIT_CODES, reportFailure } from "./failure_report.ts";
import { findScenario } from "./scenarios.ts";
import { SeedWorkers } from "./seed_workers.ts";
import type { SimulateFlags } from "./command.ts";

const USAGE = 1;
const PLANT_NOT_FOUND = 2;
/** One seed in so many runs twice. */
const DOUBLE_EVERY = 20;

/** Runs as typed. @throws {CommandError} With the exit code of the failure. */
export async function simulate(flags: SimulateFlags, output: Output): Promise<void> {
  requireAccessOf(flags);
  if (flags.plant !== undefined) return await simulatePlanted(flags, flags.plant, output);
  if (flags.replay !== undefined) return await replay(flags, flags.replay, output);
  const scenarioName = flags.scenario ?? shippedScenarios[0].name;
  const scenario = await findScenario(scenarioName);
  const startedMs = performance.now();
  const endsMs = flags.for === undefined ? Infinity : startedMs + durationOf(flags.for);
  const seeds = seedsOf(flags);
  const progress = new Progress(
    "simulating",
    seeds.count,
    stderrTarget(),
  );
  const drawn = {
    ...(flags.config !== undefined && { configuration: await readText(flags.config) }),
    ...(flags.faults !== undefined && { families: familiesOf(flags.faults) }),
    ...(flags.minutes !== undefined && { forMs: flags.minutes * 60_000 }),
  };
  const threads = Math.min(flags.workers ?? navigator.hardwareConcurrency, seeds.count ?? Infinity);
  const workers = threads < 2
    ? undefined
    : new SeedWorkers({ ...drawn, scenario: scenarioName }, threads);
  const result = await runCampaign({
    ...drawn,
    scenario,
    seeds: seeds.each,
    // A seed that takes long keeps as many others from being started at most.
    ...(workers !== undefined && {
      runSeed: (task: SeedTask) => workers.run(task),
      atATime: 2 * threads,
    }),
    doubleEvery: DOUBLE_EVERY,
    stopped: () => performance.now() >= endsMs,
    onSeed: ({ seedsTried, events }) => progress.update(seedsTried, counted(events, "event")),
  }).finally(() => workers?.close());
  progress.finish();
  const seconds = (performance.now() - startedMs) / 1_000;
  const failure = result.failure && await reportFailure(flags, result.failure, scenario, output);
  await writePictures(flags, failure?.shrunk ?? result.lastPlan, scenario);
  const probesMissed = missedProbes(result.probesSeen, { ...drawn, scenario });
  const summary = { ...result, failure, probesMissed, seconds };
  output.err(inWords(summary));
  if (flags.json === true) output.out(`${JSON.stringify(jsonOf(flags, summary))}\n`);
  if (failure !== undefined) {
    throw new CommandError(`${failure.checker}: ${failure.message}`, EXIT_CODES[failure.kind]);
  }
}

/** @throws {CommandError} A path of the options lies where this command may not read or write. */
function requireAccessOf({ out, html, perfetto, config, replay, plant }: SimulateFlags): void {
  requireAccess("write", "--out", out);
  if (plant !== undefined) requireAccess("read", "--out", out); // the planted copy runs there
  if (html !== undefined) requireAccess("write", "--html", html);
  if (perfetto !== undefined) requireAccess("write", "--perfetto", perfetto);
  if (config !== undefined) requireAccess("read", "--config", config);
  if (replay !== undefined) requireAccess("read", "--replay", replay);
}

/** Seeds that are tried with a plant where nothing else is said. */
const PLANTED_SEEDS = 200;

/** Runs seeds, or the plan in a file, with a bug planted, until its checker sees it. */
async function simulatePlanted(
  flags: SimulateFlags,
  name: string,
  output: Output,
): Promise<void> {
  const plant = plants.find((each) => each.name === name);
  if (plant === undefined) {
    const names = plants.map((each) => each.name).join(", ");
    throw new CommandError(`There is no plant "${name}"; choose ${names}.`, USAGE);
  }
  const code = await runPlanted(plant, {
    ...flags,
    scenario: flags.scenario ?? plant.scenario,
    ...(flags.replay === undefined && { seeds: flags.seeds ?? PLANTED_SEEDS }),
  }, output);
  if (code === 0) throw new CommandError(`the planted bug ${name} was not found`, PLANT_NOT_FOUND);
  const isFound = Object.values<number>(EXIT_CODES).includes(code);
  if (!isFound) throw new CommandError(`the bug ${name} could not be planted`, code);
  output.err(`the planted bug ${name} was found\n`);
  throw new CommandExit(code);
}

/** Runs the plan in a file. */
async function replay(flags: SimulateFlags, file: string, output: Output): Promise<void> {
  const plan = JSON.parse(await readText(file)) as RunPlan;
  const scenario = await findScenario(plan.scenario);
  const startedMs = performance.now();
  const outcome = await run(plan, scenario);
  const seconds = (performance.now() - startedMs) / 1_000;
  await writePictures(flags, plan, scenario);
  output.err(`${describeOutcome(outcome)}\n`);
  if (flags.json === true) {
    output.out(`${
      JSON.stringify({
        traceHash: outcome.traceHash,
        events: outcome.events,
        eventsPerSecond: Math.round(outcome.events / seconds),
        virtualMs: Math.round(outcome.virtualMs),
        violation: outcome.kind === "passed" ? null : outcome.checker,
      })
    }\n`);
  }
  if (outcome.kind === "passed") return;
  throw new CommandError(`${outcome.checker}: ${outcome.message}`, EXIT_CODES[outcome.kind]);
}

function describeOutcome({ kind, checker, message, atMs, traceHash }: RunOutcome): string {
  if (kind === "passed") return `passed, trace ${traceHash}`;
  return `${kind} at ${(atMs / 1_000).toFixed(3)}s: ${checker}: ${message}`;
}

interface Seeds {
  readonly each: Iterable<number>;
  readonly count: number | undefined;
}

function seedsOf({ seed, seeds, for: forDuration }: SimulateFlags): Seeds {
  try {
    const first = seed === undefined ? undefined : parseSeed(seed);
    const endless = first === undefined && seeds === undefined;
    const count = endless || forDuration !== undefined ? seeds : seeds ?? 1;
    return { each: ascending(first ?? freshSeed(), count ?? Infinity), count };
  } catch (error) {
    if (error instanceof SeedError) throw new CommandError(error.message, USAGE);
    throw error;
  }
}

function* ascending(first: number, count: number): Iterable<number> {
  for (let i = 0; i < count; i++) yield (first + i) % SEED_END;
}

function freshSeed(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return (high % 2 ** 16) * 2 ** 32 + low;
}

function familiesOf(text: string): FaultFamily[] {
  if (text === "none") return [];
  return text.split(",").map((name) => {
    const family = faultFamilies.find((each) => each === name.trim());
    if (family !== undefined) return family;
    throw new CommandError(
      `There are no faults "${name}"; choose among ${faultFamilies.join(", ")}, or none.`,
      USAGE,
    );
  });
}

function durationOf(text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined) return ms;
  throw new CommandError(`--for ${text}: write a duration such as 90s or 10m.`, USAGE);
}

async function readText(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch((cause) => {
    throw new CommandError(`Cannot read ${path}: ${(cause as Error).message}`, USAGE, cause);
  });
}

/** Draws the run of a plan; undefined where no seed was tried. */
async function writePictures(
  { html, perfetto }: SimulateFlags,
  plan: RunPlan | undefined,
  scenario: Scenario,
): Promise<void> {
  if (plan === undefined || (html === undefined && perfetto === undefined)) return;
  const outcome = await run(plan, scenario, PICTURE_EVENTS_MAX);
  for (
    const [file, text] of [
      [html, () => runPage(plan, outcome)],
      [perfetto, () => perfettoTrace(plan, outcome)],
    ] as const
  ) {
    if (file === undefined) continue;
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeTextFile(file, text());
  }
}

interface Summary extends CampaignResult {
  /** Names of the probes that no run has seen, and that a run of the scenario can see. */
  readonly probesMissed: readonly string[];
  readonly seconds: number;
}

function inWords(summary: Summary): string {
  const { seedsTried, events, eventsRun, virtualMs, faults, failure, probesMissed, seconds } =
    summary;
  const virtualS = virtualMs / 1_000;
  const rate = Math.round(eventsRun / seconds);
  // Otherwise events, seconds and rate contradict each other.
  const repeated = eventsRun > events
    ? ` (${eventsRun.toLocaleString("en")} with the second runs of seeds)`
    : "";
  return [
    ...(failure === undefined ? ["no promise was broken"] : []),
    `${counted(seedsTried, "seed")}, ${counted(faults, "fault")}, ` +
    `${Math.round(virtualS)} virtual seconds in ${seconds.toFixed(1)} s`,
    `${counted(events, "trace event")}${repeated}, ${rate.toLocaleString("en")} a second`,
    probesMissed.length === 0
      ? "every rare path was taken"
      : `rare paths not taken: ${probesMissed.join("; ")}`,
    "",
  ].join("\n");
}

/** The last line: of one seed, of many, or of a planted bug. */
function jsonOf(
  { seed, seeds, planted, for: forDuration }: SimulateFlags,
  { seedsTried, events, eventsRun, virtualMs, traceHash, failure, probesMissed, seconds }: Summary,
): Record<string, unknown> {
  const violation = failure?.checker ?? null;
  const failed = failure !== undefined && {
    seed: failure.seed,
    faults: failure.shrunk.faults.length,
  };
  if (planted !== undefined) return { violation, ...failed, seedsTried };
  if (seed !== undefined && seeds === undefined && forDuration === undefined) {
    return {
      traceHash,
      events,
      eventsPerSecond: Math.round(eventsRun / seconds),
      virtualMs: Math.round(virtualMs),
      violation,
      ...failed,
    };
  }
  return {
    seedsTried,
    violation,
    probesMissed,
    seedsPerMinute: Math.round(seedsTried / seconds * 60),
    ...failed,
  };
}
