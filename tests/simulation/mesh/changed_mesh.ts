/**
 * A simulated mesh that changes its number of shards or trainers under traffic. The checkers of
 * every run count each example and compare rows, updates and freshness.
 */
import assert from "node:assert/strict";
import { simulate, sometimes } from "../../../simulation/mod.ts";
import type { Fault } from "../../../simulation/plan/fault.ts";
import { visitShop } from "../../../simulation/scenarios/shop.ts";

export interface ChangedMesh {
  readonly seed: number;
  /** The configuration, cairn.yaml as text. */
  readonly mesh: string;
  /** How long visitors act; then the mesh has a minute to heal. */
  readonly forMs: number;
}

/**
 * Runs the shop under these faults.
 *
 * @param seen Addresses of actors that must have handled a message.
 */
export async function assertPromisesKept(
  { seed, mesh, forMs }: ChangedMesh,
  faults: readonly Fault[],
  seen: readonly string[],
): Promise<void> {
  const simulation = await simulate({
    seed,
    mesh,
    faults,
    forMs,
    healMs: 60_000,
    workload: visitShop,
    shrinkRunsMax: 0,
    checks: () => seen.map((address) => sometimes(address, ({ actor }) => actor === address)),
  });
  simulation.assertPassed();
  assert.deepEqual(simulation.missed, []);
}
