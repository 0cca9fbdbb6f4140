/**
 * The soak runs of main.ts in a form that is short enough for every test run.
 */
import assert from "node:assert/strict";
import { soakDamage } from "./damage.ts";
import { soakKills } from "./kills.ts";
import { soakPoison } from "./poison.ts";

/** Collects the lines of a run, for the message of a failure. */
function lines() {
  const told: string[] = [];
  return { tell: (line: string) => void told.push(line), all: () => told.join("\n") };
}

Deno.test("servers that are killed lose nothing, learn nothing twice, and keep every bit", async () => {
  const { tell, all } = lines();
  const { lost, twice, bitEqual, accepted } = await soakKills({ kills: 2, seed: 2, tell });
  assert.ok(accepted > 0, all());
  assert.deepEqual({ lost, twice, bitEqual }, { lost: 0, twice: 0, bitEqual: true }, all());
});

Deno.test("a damaged file is harmless, mended or named, and never silent", async () => {
  const { tell, all } = lines();
  const { damages, silent, hung } = await soakDamage({
    seconds: 0,
    damagesMax: 3,
    rankings: 8,
    seed: 1,
    tell,
  });
  assert.deepEqual({ damages, silent, hung }, { damages: 3, silent: 0, hung: 0 }, all());
});

Deno.test("extreme values stop neither serving nor learning", async () => {
  const { tell, all } = lines();
  const result = await soakPoison({ seconds: 3, seed: 1, tell });
  assert.equal(result.servingErrors, 0, all());
  assert.ok(result.learnedAfter > 0, all());
  assert.ok(result.refusedAtDoor > 0 && result.refusedAtDoor < result.poisoned, all());
});
