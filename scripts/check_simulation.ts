/**
 * Simulates the mesh with fixed seeds and with seeds of the commit, runs two of them twice, and
 * plants a bug that must be found: a simulation that finds nothing proves nothing. The shrunk plan
 * of that run must find it again.
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

const FIXED_SEEDS = 12;
const COMMIT_SEEDS = 12;
/** One seed in so many runs twice. */
const DOUBLE_EVERY = 12;
/** The exit code of a broken promise. */
const CORRECTNESS = 129;
const CANARY = "double-apply";

/** Seeds that the commit alone repeats; none outside a repository. */
async function commitSeeds(): Promise<number[]> {
  const { success, stdout } = await new Deno.Command("git", { args: ["rev-parse", "HEAD"] })
    .output().catch(() => ({ success: false, stdout: new Uint8Array() }));
  if (!success) return [];
  const first = parseSeed(new TextDecoder().decode(stdout));
  return Array.from({ length: COMMIT_SEEDS }, (_, i) => first + i);
}

/** Whether the planted bug is found, and again by the shrunk plan of that run. */
async function canaryIsFound(): Promise<boolean> {
  const canary = plants.find(({ name }) => name === CANARY);
  if (canary === undefined) return false;
  const out = await Deno.makeTempDir();
  try {
    const found = await runPlanted(canary, ["--seed", "1", "--seeds", "20", "--out", out]);
    if (found !== CORRECTNESS) return false;
    const [seed] = [...Deno.readDirSync(out)];
    const again = await runPlanted(canary, ["--replay", `${out}/${seed.name}/shrunk.json`]);
    return again === CORRECTNESS;
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

if (import.meta.main) {
  const [scenario] = shippedScenarios;
  const fixed = Array.from({ length: FIXED_SEEDS }, (_, i) => i + 1);
  const threads = navigator.hardwareConcurrency;
  const workers = new SeedWorkers({ scenario: scenario.name }, threads);
  const { failure, seedsTried, events } = await runCampaign({
    scenario,
    seeds: [...fixed, ...await commitSeeds()],
    doubleEvery: DOUBLE_EVERY,
    shrinkRunsMax: 60,
    shrinkMsMax: 60_000,
    nowMs: () => performance.now(),
    runSeed: (task) => workers.run(task),
    atATime: 2 * threads,
  }).finally(() => workers.close());
  console.log(`simulation: ${counted(seedsTried, "seed")}, ${counted(events, "event")}`);
  if (failure !== undefined) {
    const { kind, checker, message, seed, shrunk } = failure;
    console.error(`${kind}: ${checker}: ${message}`);
    for (const fault of shrunk.faults) console.error(`  ${describeFault(fault)}`);
    console.error(`  deno task simulate --seed ${formatSeed(seed)}`);
    Deno.exit(1);
  }
  if (!await canaryIsFound()) {
    console.error(`The planted bug ${CANARY} was not found.`);
    Deno.exit(1);
  }
}
