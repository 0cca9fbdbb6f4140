/**
 * A host of a simulated mesh over all its incarnations.
 */
import type { SimulatedHost } from "./simulated_host.ts";

export interface KnownHost {
  readonly name: string;
  /** The process; undefined while the host is down. */
  current: SimulatedHost | undefined;
  incarnations: number;
  isRestarting: boolean;
  cutFromRedisUntilMs: number;
}

export function newKnownHost(name: string): KnownHost {
  return {
    name,
    current: undefined,
    incarnations: 0,
    isRestarting: false,
    cutFromRedisUntilMs: 0,
  };
}
