/**
 * Looks for one planted bug from several first seeds, in one process on one copy of the source.
 * Appends a line of JSON for each to a file, see {@link Measured}. The first seed 1 alone shrinks
 * its failure: shrinking takes longest.
 *
 *     deno run -A --no-check scripts/measure_plant.ts results.jsonl double-apply 1 1001
 */
import { withPlanted } from "../cli/simulate/planted.ts";
import { plants } from "../simulation/plants/plants.ts";

/** Seeds that are tried from each first seed. */
export const SEEDS_MAX = 200;
/** The first seed whose failure is shrunk. */
export const SHRUNK_START = 1;
const SHRINK_RUNS_MAX = 150;
const SHRINK_MS_MAX = 120_000;
/** A plant must be found and shrunk within this, s. */
const SECONDS_MAX = 300;

/** The seeds until a plant was seen. */
export interface Measured {
  readonly plant: string;
  readonly start: number;
  /** Name of the checker; null where no seed found the bug. */
  readonly violation: string | null;
  readonly seedsTried: number;
  /** Left after shrinking. */
  readonly faults?: number | undefined;
  /** Real time of the seeds and of shrinking; the copy of the source counts for the first, s. */
  readonly seconds: number;
}

if (import.meta.main) {
  const [file, name, ...starts] = Deno.args;
  const plant = plants.find((each) => each.name === name);
  if (plant === undefined) throw new Error(`there is no plant ${name}`);
  let beganMs = performance.now();
  const out = await Deno.makeTempDir();
  await withPlanted(plant, out, async (tree) => {
    const { runCampaign }: typeof import("../simulation/campaign.ts") = await import(
      `${tree}/simulation/campaign.ts`
    );
    const { shrinkFailure }: typeof import("../simulation/shrink/shrink_failure.ts") = await import(
      `${tree}/simulation/shrink/shrink_failure.ts`
    );
    const { shippedScenarios }: typeof import("../simulation/scenarios/shipped.ts") = await import(
      `${tree}/simulation/scenarios/shipped.ts`
    );
    const scenario = shippedScenarios.find((each) => each.name === plant.scenario);
    if (scenario === undefined) throw new Error(`there is no scenario ${plant.scenario}`);
    for (const start of starts.map(Number)) {
      const { failure, seedsTried } = await runCampaign({
        scenario,
        seeds: Array.from({ length: SEEDS_MAX }, (_, i) => start + i),
        doubleEvery: 0,
      });
      const shrunk = start === SHRUNK_START && failure !== undefined
        ? await shrinkFailure(failure, scenario, {
          runsMax: SHRINK_RUNS_MAX,
          msMax: SHRINK_MS_MAX,
          nowMs: () => performance.now(),
        })
        : undefined;
      const measured: Measured = {
        plant: name,
        start,
        violation: failure?.checker ?? null,
        seedsTried,
        ...(shrunk !== undefined && { faults: shrunk.shrunk.faults.length }),
        seconds: Math.round((performance.now() - beganMs) / 1_000),
      };
      const line = JSON.stringify(measured);
      await Deno.writeTextFile(file, `${line}\n`, { append: true });
      const isSlow = measured.seconds > SECONDS_MAX ? `, longer than ${SECONDS_MAX} s` : "";
      console.error(`${line}${isSlow}`);
      beganMs = performance.now();
    }
  }).finally(() => Deno.remove(out, { recursive: true }));
}
