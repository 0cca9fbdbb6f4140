/**
 * Measures how many seeds find each planted bug: the median of five starts, and the faults that are
 * left after shrinking, as a table for docs/simulation.md. Takes an hour or two of one core.
 *
 *     deno run -A scripts/measure_plants.ts [plant …]
 */
import { plants } from "../simulation/plants/plants.ts";

/** First seeds, far enough from each other. */
const STARTS = [1, 1_001, 2_001, 3_001, 4_001];
const SEEDS_MAX = 200;

interface PlantResult {
  readonly violation: string | null;
  readonly seedsTried: number;
  readonly faults?: number;
}

/** The last line of a run; undefined where it printed none. */
async function find(plant: string, start: number, shrinks: boolean): Promise<PlantResult> {
  const out = await Deno.makeTempDir();
  const args = ["run", "-A", "--no-check", "main.ts", "simulate", "--plant", plant];
  args.push("--seed", String(start), "--seeds", String(SEEDS_MAX), "--workers", "1", "--json");
  args.push("--out", out, ...shrinks ? [] : ["--shrink", "0"]);
  try {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      cwd: new URL("..", import.meta.url),
    }).output();
    const last = new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1) ?? "";
    if (!last.startsWith("{")) throw new Error(`${plant}: ${new TextDecoder().decode(stderr)}`);
    return JSON.parse(last);
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

if (import.meta.main) {
  const chosen = plants.filter(({ name }) => Deno.args.length === 0 || Deno.args.includes(name));
  console.log("| Plant | Scenario | Seeds (five starts) | Median | Faults | Seen by |");
  console.log("| --- | --- | --- | --- | --- | --- |");
  for (const { name, scenario } of chosen) {
    const results: PlantResult[] = [];
    for (const start of STARTS) results.push(await find(name, start, start === STARTS[0]));
    const seeds = results.map(({ violation, seedsTried }) =>
      violation === null ? Infinity : seedsTried
    );
    const median = seeds.toSorted((a, b) => a - b)[STARTS.length >> 1];
    const shown = (count: number) => count === Infinity ? `> ${SEEDS_MAX}` : String(count);
    const seenBy = new Set(
      results.map(({ violation }) => violation).filter((each) => each !== null),
    );
    console.log(
      `| \`${name}\` | \`${scenario}\` | ${seeds.map(shown).join(", ")} | ${shown(median)} | ` +
        `${results[0].faults ?? "–"} | ${[...seenBy].map((each) => `\`${each}\``).join(", ")} |`,
    );
  }
}
