/**
 * Measures how many seeds find each planted bug, from five first seeds, and how many faults are
 * left after shrinking, from the first of them. Keeps every result in a file, so that a run that
 * was ended goes on where it stopped; then prints all that the file has as a table for
 * docs/simulation.md.
 *
 *     deno run -A scripts/measure_plants.ts [--kept results.jsonl] [--starts 1,1001] [plant …]
 */
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { plants } from "../simulation/plants/plants.ts";

/** First seeds, far enough from each other. */
const STARTS = [1, 1_001, 2_001, 3_001, 4_001];
const SEEDS_MAX = 200;
/** A plant must be found and shrunk within this, s. */
const SECONDS_MAX = 300;

/** The last line of `simulate --plant … --json`. */
interface PlantResult {
  readonly violation: string | null;
  readonly seedsTried: number;
  readonly faults?: number | undefined;
}

/** A line of the file of results. */
interface Measured extends PlantResult {
  readonly plant: string;
  readonly start: number;
  /** Real time with the copy of the source and the shrinking, s. */
  readonly seconds: number;
}

/** Looks for a plant from one first seed. Shrinks from the first of all alone: it takes longest. */
async function measure(plant: string, start: number): Promise<Measured> {
  const shrinks = start === STARTS[0];
  const out = await Deno.makeTempDir();
  const args = ["run", "-A", "--no-check", "main.ts", "simulate", "--plant", plant];
  args.push("--seed", String(start), "--seeds", String(SEEDS_MAX), "--workers", "1", "--json");
  args.push("--out", out, ...shrinks ? [] : ["--shrink", "0"]);
  const beganMs = performance.now();
  try {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      cwd: new URL("..", import.meta.url),
    }).output();
    const last = new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1) ?? "";
    if (!last.startsWith("{")) throw new Error(`${plant}: ${new TextDecoder().decode(stderr)}`);
    const seconds = Math.round((performance.now() - beganMs) / 1_000);
    const { violation, seedsTried, faults } = JSON.parse(last) as PlantResult;
    return { plant, start, seconds, violation, seedsTried, ...shrinks && { faults } };
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

/** A row of the table; undefined where nothing was measured. */
function rowOf(plant: string, scenario: string, results: readonly Measured[]): string | undefined {
  if (results.length === 0) return undefined;
  const seeds = results.map(({ violation, seedsTried }) =>
    violation === null ? Infinity : seedsTried
  );
  const median = seeds.toSorted((a, b) => a - b)[results.length >> 1];
  const shown = (count: number) => count === Infinity ? `> ${SEEDS_MAX}` : String(count);
  const faults = results.flatMap((result) => result.faults ?? []);
  const seenBy = new Set(results.flatMap(({ violation }) => violation ?? []));
  const cells = [
    `\`${plant}\``,
    `\`${scenario}\``,
    seeds.map(shown).join(", "),
    shown(median),
    faults.length === 0 ? "–" : String(Math.max(...faults)),
    String(Math.max(...results.map(({ seconds }) => seconds))),
    [...seenBy].map((each) => `\`${each}\``).join(", "),
  ];
  return `| ${cells.join(" | ")} |`;
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
  // All plants from one start, then from the next: an early end leaves few plants unmeasured.
  for (const start of values.starts.split(",").map(Number)) {
    for (const { name } of plants) {
      if (positionals.length > 0 && !positionals.includes(name)) continue;
      if (kept.some((result) => result.plant === name && result.start === start)) continue;
      const result = await measure(name, start).catch((error) => {
        console.error(error);
      });
      if (result === undefined) continue;
      kept.push(result);
      await Deno.writeTextFile(values.kept, `${JSON.stringify(result)}\n`, { append: true });
      const isSlow = result.seconds > SECONDS_MAX ? `, longer than ${SECONDS_MAX} s` : "";
      console.error(`${name} from ${start}: ${JSON.stringify(result)}${isSlow}`);
    }
  }
  console.log("| Plant | Scenario | Seeds | Median | Faults | Seconds at most | Seen by |");
  console.log("| --- | --- | --- | --- | --- | --- | --- |");
  for (const { name, scenario } of plants) {
    const row = rowOf(name, scenario, kept.filter(({ plant }) => plant === name));
    if (row !== undefined) console.log(row);
  }
}
