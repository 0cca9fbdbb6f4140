/**
 * Long runs of real servers that are killed, damaged or poisoned. The last line of output is the
 * result.
 *
 *     deno task soak --kills 100 --json      kills at random moments and system calls
 *     deno task soak --damage --json         flipped bits and cut files of every kind
 *     deno task soak --poison --json         extreme values among honest traffic
 *
 * `--seconds` bounds a run of --damage and --poison (default 240 and 60), `--seed` chooses another
 * one. Exits 1 when a promise is broken.
 */
import { parseArgs } from "node:util";
import { soakDamage } from "./damage.ts";
import { soakKills } from "./kills.ts";
import { soakPoison } from "./poison.ts";

const { values: flags } = parseArgs({
  options: {
    kills: { type: "string" },
    damage: { type: "boolean", default: false },
    poison: { type: "boolean", default: false },
    seconds: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1e6) },
    json: { type: "boolean", default: false },
  },
});
const seed = Number(flags.seed);
const tell = (line: string) => console.error(line);
tell(`seed ${seed}`);

let broken = false;
function report(result: object, isBroken: boolean): void {
  broken ||= isBroken;
  console.log(flags.json ? JSON.stringify(result) : result);
}

if (flags.kills !== undefined) {
  const result = await soakKills({ kills: Number(flags.kills), seed, tell });
  report(result, result.lost > 0 || result.twice > 0 || !result.bitEqual);
}
if (flags.damage) {
  const result = await soakDamage({
    seconds: Number(flags.seconds ?? 240),
    rankings: 60,
    seed,
    tell,
  });
  report(result, result.silent > 0 || result.hung > 0);
}
if (flags.poison) {
  const result = await soakPoison({ seconds: Number(flags.seconds ?? 60), seed, tell });
  report(result, result.servingErrors > 0 || result.learnedAfter === 0);
}
if (broken) Deno.exit(1);
