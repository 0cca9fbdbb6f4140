/**
 * Measures how many seeds find each planted bug, from five first seeds, and how many faults are
 * left after shrinking, from the first of them. A process per plant runs all its first seeds
 * (measure_plant.ts). Keeps every result in a file, so that a run that was ended goes
 * on where it stopped; then prints all that the file has as a table for docs/simulation.md.
 *
 *     deno run -A scripts/measure_plants.ts [--kept results.jsonl] [--starts 1,1001] [plant …]
 */
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { plants } from "../simulation/plants/plants.ts";
import { type Measured, SEEDS_MAX } from "./measure_plant.ts";

/** First seeds, far enough from each other. */
const STARTS = [1, 1_001, 2_001, 3_001, 4_001];
const measurePlant = new URL("measure_plant.ts", import.meta.url).href;

/** Appends the result of each first seed to the file as soon as it is known. */
async function measure(plant: string, starts: readonly number[], kept: string): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", measurePlant, resolve(kept), plant, ...starts.map(String)],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) console.error(`${plant} could not be measured; the error stands above`);
}

/** A row of the table, with a median where all first seeds were measured. */
function rowOf(plant: string, results: readonly Measured[]): string {
  const ordered = results.toSorted((a, b) => a.start - b.start);
  const seeds = ordered.map(seedsOf);
  const shown = (count: number) => count === Infinity ? `> ${SEEDS_MAX}` : String(count);
  const faults = results.flatMap((result) => result.faults ?? []);
  const seenBy = new Set(ordered.flatMap(({ violation }) => violation ?? []));
  const cells = [
    `\`${plant}\``,
    seeds.map(shown).join(", "),
    results.length < STARTS.length ? "–" : shown(medianOf(seeds)),
    faults.length === 0 ? "–" : String(Math.max(...faults)),
    [...seenBy].map((each) => `\`${each}\``).join(", "),
  ];
  return `| ${cells.join(" | ")} |`;
}

function seedsOf({ violation, seedsTried }: Measured): number {
  return violation === null ? Infinity : seedsTried;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** The plants that were measured, those that take the fewest seeds first. */
function tableOf(kept: readonly Measured[]): string[] {
  const rows = plants.flatMap(({ name }) => {
    const results = kept.filter(({ plant }) => plant === name);
    if (results.length === 0) return [];
    return [{ name, median: medianOf(results.map(seedsOf)), row: rowOf(name, results) }];
  });
  rows.sort((a, b) => a.median - b.median || (a.name < b.name ? -1 : 1));
  return [
    "| Plant | Seeds from five starts | Median | Faults | Seen by |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map(({ row }) => row),
  ];
}

async function readKept(file: string): Promise<Measured[]> {
  const text = await Deno.readTextFile(file).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kept: { type: "string", default: "simulated/plants.jsonl" },
      starts: { type: "string", default: STARTS.join() },
    },
  });
  const unknown = positionals.filter((name) => !plants.some((plant) => plant.name === name));
  if (unknown.length > 0) throw new Error(`there is no plant ${unknown.join(", ")}`);
  await Deno.mkdir(dirname(values.kept), { recursive: true });
  const kept = await readKept(values.kept);
  const named = positionals.length === 0 ? plants.map(({ name }) => name) : positionals;
  for (const name of named) {
    const starts = values.starts.split(",").map(Number)
      .filter((start) => !kept.some((each) => each.plant === name && each.start === start));
    if (starts.length > 0) await measure(name, starts, values.kept);
  }
  for (const line of tableOf(await readKept(values.kept))) console.log(line);
}
