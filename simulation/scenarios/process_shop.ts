/**
 * The parts that the scenarios of one process share.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { planOf } from "../../server/plan.ts";
import { swarmKnobs } from "../plan/knobs.ts";
import { shopConfiguration, visitShop } from "./shop.ts";

/** A shop with four visitors, without faults of its own. */
export const shop = {
  configuration: shopConfiguration,
  knobs: swarmKnobs,
  clients: 4,
  workload: visitShop,
  forMs: 20_000,
  healMs: 60_000,
} as const;

/** No fault strikes before, ms. */
const FAULT_FREE_MS = 3_000;

/** Moments between which faults strike, evenly spread. */
export function moments(forMs: number, count: number): number[] {
  const stepMs = (forMs - FAULT_FREE_MS) / count;
  return Array.from({ length: count }, (_, i) => Math.round(FAULT_FREE_MS + i * stepMs));
}

/** The shards' actors. */
export function shardsOf(configuration: CairnConfiguration): ReturnType<typeof planOf> {
  return planOf(configuration).filter(({ kind }) => kind === "embedding_shard");
}
