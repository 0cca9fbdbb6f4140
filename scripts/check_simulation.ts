/**
 * Simulates one process, and a mesh of several hosts, with fixed seeds and with seeds of the
 * commit, runs some of them twice, and plants a bug that must be found: a simulation that finds
 * nothing proves nothing. The shrunk plan of such a run must find the bug again.
 *
 *     deno run -A scripts/check_simulation.ts
 */
import { counted } from "../structures/counted.ts";
import { runPlanted } from "../cli/simulate/planted.ts";
import { SeedWorkers } from "../cli/simulate/seed_workers.ts";
import { runCampaign } from "../simulation/campaign.ts";
import { describeFault } from "../simulation/plan/fault.ts";
import { plants } from "../simulation/plants/plants.ts";
import { shippedScenarios } from "../simulation/scenarios/shipped.ts";
import { formatSeed, parseSeed } from "../simulation/seed.ts";
import { shrinkFailure } from "../simulation/shrink/shrink_failure.ts";

/** Seeds of a scenario. */
interface Share {
  readonly scenario: string;
  readonly fixedSeeds: number;
  readonly commitSeeds: number;
  /** One seed in so many runs twice. */
  readonly doubleEvery: number;
}

const shares: readonly Share[] = [
  { scenario: "swarm", fixedSeeds: 4, commitSeeds: 12, doubleEvery: 8 },
  // Several hosts.
  { scenario: "mesh-swarm", fixedSeeds: 1, commitSeeds: 4, doubleEvery: 5 },
];
/** The exit code of a broken promise. */
const CORRECTNESS = 129;
/** A bug of a mesh; the tests of the command find one of a process. */
const CANARY = "marks-left-behind";
const SHRINK_RUNS_MAX = 60;
const SHRINK_MS_MAX = 60_000;

const output = {
  out: (text: string) => console.log(text.trimEnd()),
  err: (text: string) => console.error(text.trimEnd()),
};

/** Seeds that the commit alone repeats; none outside a repository. */
async function commitSeeds(count: number): Promise<number[]> {
  const { success, stdout } = await new Deno.Command("git", { args: ["rev-parse", "HEAD"] })
    .output().catch(() => ({ success: false, stdout: new Uint8Array() }));
  if (!success) return [];
  const first = parseSeed(new TextDecoder().decode(stdout));
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Whether the planted bug is found, and again by the shrunk plan of that run. */
async function isFound(): Promise<boolean> {
  const canary = plants.find(({ name }) => name === CANARY);
  if (canary === undefined) return false;
  const out = await Deno.makeTempDir();
  try {
    const flags = { out, shrink: SHRINK_RUNS_MAX, scenario: canary.scenario };
    const found = await runPlanted(canary, { ...flags, seed: "1", seeds: 20 }, output);
    if (found !== CORRECTNESS) return false;
    const [seed] = [...Deno.readDirSync(out)];
    const replay = `${out}/${seed.name}/shrunk.json`;
    return await runPlanted(canary, { ...flags, replay }, output) === CORRECTNESS;
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

/** Runs the seeds of a share; whether all of them kept every promise. */
async function isClean({ scenario: name, ...share }: Share): Promise<boolean> {
  const scenario = shippedScenarios.find((each) => each.name === name);
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
  const fixed = Array.from({ length: share.fixedSeeds }, (_, i) => i + 1);
  const threads = navigator.hardwareConcurrency;
  const workers = new SeedWorkers({ scenario: name }, threads);
  const { failure, seedsTried, events } = await runCampaign({
    scenario,
    seeds: [...fixed, ...await commitSeeds(share.commitSeeds)],
    doubleEvery: share.doubleEvery,
    runSeed: (task) => workers.run(task),
    atATime: 2 * threads,
  }).finally(() => workers.close());
  console.log(`simulation, ${name}: ${counted(seedsTried, "seed")}, ${counted(events, "event")}`);
  if (failure === undefined) return true;
  // Before shrinking, which a limit of the caller may end.
  console.error(`${failure.kind}: ${failure.checker}: ${failure.message}`);
  console.error(`  deno task simulate --seed ${formatSeed(failure.seed)} --scenario ${name}`);
  const { shrunk } = await shrinkFailure(failure, scenario, {
    runsMax: SHRINK_RUNS_MAX,
    msMax: SHRINK_MS_MAX,
    nowMs: () => performance.now(),
  });
  for (const fault of shrunk.faults) console.error(`  ${describeFault(fault)}`);
  return false;
}

if (import.meta.main) {
  for (const share of shares) if (!await isClean(share)) Deno.exit(1);
  if (!await isFound()) {
    console.error(`The planted bug ${CANARY} was not found.`);
    Deno.exit(1);
  }
}
