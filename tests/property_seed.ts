/**
 * Gives all properties of fast-check one seed, so that a run of the tests repeats the run before
 * it; `deno task test` loads this before each test file. `deno task test:hunt` draws other seeds.
 *
 * - `CAIRN_PROPERTY_SEED`: the seed.
 * - `CAIRN_PROPERTY_RUNS`: cases of a property that names no `numRuns`.
 */
import fc from "fast-check";

fc.configureGlobal({
  seed: Number(Deno.env.get("CAIRN_PROPERTY_SEED") ?? 1),
  numRuns: Number(Deno.env.get("CAIRN_PROPERTY_RUNS") ?? 100),
});
