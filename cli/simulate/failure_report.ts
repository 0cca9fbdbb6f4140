/**
 * The report of a failed run of the simulation: its plan, shrunk, in files, and the command that
 * repeats it.
 */
import type { Failure } from "../../simulation/campaign.ts";
import { describeFault } from "../../simulation/plan/fault.ts";
import { describeClocks } from "../../simulation/plan/host_clocks.ts";
import type { RunPlan } from "../../simulation/plan/run_plan.ts";
import type { Scenario } from "../../simulation/scenarios/scenario.ts";
import { formatSeed } from "../../simulation/seed.ts";
import { shrinkFailure } from "../../simulation/shrink/shrink_failure.ts";
import { counted } from "../../structures/counted.ts";
import type { Output } from "../command_line.ts";
import type { SimulateFlags } from "./command.ts";

/** Exit codes by the kind of failure. */
export const EXIT_CODES = {
  crash: 127,
  liveness: 128,
  correctness: 129,
  nondeterminism: 130,
} as const;

/** Time for shrinking a failure, ms. */
const SHRINK_MS_MAX = 120_000;

/**
 * Shrinks a failure. It is written and told before, so that it is not lost where something ends the
 * process; SIGINT and SIGTERM end the shrinking alone.
 */
export async function reportFailure(
  flags: Pick<SimulateFlags, "out" | "shrink" | "planted">,
  found: Failure,
  scenario: Scenario,
  output: Output,
): Promise<Failure> {
  const { kind, checker, message, seed, plan } = found;
  const folder = `${flags.out}/${formatSeed(seed)}`;
  await Deno.mkdir(folder, { recursive: true });
  const write = (name: string, written: RunPlan) =>
    Deno.writeTextFile(`${folder}/${name}.json`, JSON.stringify(written, undefined, 1) + "\n");
  await write("plan", plan);
  await write("shrunk", plan);
  const told = [
    "",
    `${kind.toUpperCase()} (${EXIT_CODES[kind]}) ${checker}: ${message}`,
    `  seed ${formatSeed(seed)}, scenario ${plan.scenario}, Deno ${Deno.version.deno}`,
    `  ${folder}/plan.json has the plan; shrinking it, for ${SHRINK_MS_MAX / 60_000} minutes at ` +
    "most or until Ctrl-C",
    "",
  ].join("\n");
  const failure = await untilSignal((isEnded) => {
    // Told behind the listener: a caller that reads it may send a signal at once.
    output.err(told);
    return shrinkFailure(found, scenario, {
      runsMax: flags.shrink,
      msMax: SHRINK_MS_MAX,
      nowMs: () => performance.now(),
      isEnded,
    });
  });
  const { shrunk, atMs, shrinkRuns } = failure;
  await write("shrunk", shrunk);
  const clocks = describeClocks(shrunk.clocks);
  // Without its plant the plan would pass.
  const plant = flags.planted === undefined ? "" : ` --plant ${flags.planted}`;
  output.err([
    ...(failure.message === message ? [] : [`  after shrinking: ${failure.message}`]),
    `  ${plan.faults.length} → ${counted(shrunk.faults.length, "fault")}, ` +
    `${plan.clients.length} → ${counted(shrunk.clients.length, "client")} in ${
      counted(shrinkRuns, "run")
    }`,
    ...(clocks === undefined ? [] : [`  ${clocks}`]),
    ...shrunk.faults.map((fault) => `  ${describeFault(fault)}`),
    `  ${`${(atMs / 1_000).toFixed(3)}s`.padStart(8)} the promise is broken`,
    `  deno task simulate${plant} --replay ${folder}/shrunk.json --html trace.html`,
    "",
  ].join("\n"));
  return failure;
}

/** Signals that end a command. */
const ENDING: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];

/** Lets `use` know of the first signal that asks the process to end; it ends by a second one. */
async function untilSignal<T>(use: (isAsked: () => boolean) => Promise<T>): Promise<T> {
  let isAsked = false;
  const release = () => {
    for (const signal of ENDING) Deno.removeSignalListener(signal, ask);
  };
  const ask = () => {
    isAsked = true;
    release();
  };
  for (const signal of ENDING) Deno.addSignalListener(signal, ask);
  try {
    return await use(() => isAsked);
  } finally {
    release();
  }
}
