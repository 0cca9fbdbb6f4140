/**
 * Hunts for tests that fail rarely: runs tests in rounds, each with another seed of fast-check and
 * with more cases, until a round fails. A property that names `numRuns` keeps it in each round.
 *
 *     deno task test:hunt                                  rounds of all tests
 *     deno task test:hunt --rounds 50 tests/rules          rounds of one room
 *     deno task test:hunt --rounds 1 --seed 7 tests/rules  the round that failed, again
 */
import { parseArgs } from "node:util";

const ROUNDS = 10;
/** Cases of a property that names no `numRuns`: ten times those of `deno task test`. */
const RUNS = 1_000;

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { rounds: { type: "string" }, runs: { type: "string" }, seed: { type: "string" } },
});

const paths = positionals.length === 0 ? ["tests/"] : positionals;
const runs = numberOf("runs") ?? RUNS;
const rounds = numberOf("rounds") ?? ROUNDS;
const firstSeed = numberOf("seed") ?? crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;

/** The whole number that an option gives. */
function numberOf(option: keyof typeof values): number | undefined {
  const text = values[option];
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new TypeError(`--${option} ${text}: give a whole number`);
  return Number(text);
}

/** Runs the tests once, and prints their output if one fails. */
async function passes(seed: number): Promise<boolean> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "test:of", ...paths],
    env: { CAIRN_PROPERTY_SEED: `${seed}`, CAIRN_PROPERTY_RUNS: `${runs}` },
  }).output();
  if (!success) {
    for (const bytes of [stderr, stdout]) console.log(new TextDecoder().decode(bytes));
  }
  return success;
}

for (let round = 0; round < rounds; round++) {
  const seed = firstSeed + round;
  console.log(`round ${round + 1} of ${rounds}: seed ${seed}`);
  if (await passes(seed)) continue;
  const again = `--rounds 1 --runs ${runs} --seed ${seed} ${paths.join(" ")}`;
  console.log(`Again: deno task test:hunt ${again}`);
  Deno.exit(1);
}
