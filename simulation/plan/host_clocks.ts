/**
 * Wall clocks of a mesh: each host and the Redis server have one of their own, which is ahead of
 * the true time or behind it, and gains or loses as it runs.
 */
import type { RandomStream } from "../../mesh/ports/random.ts";
import { whole } from "./draws.ts";

/** A wall clock against the true time. */
export interface HostClock {
  /** Lead at the beginning of the run, ms. */
  readonly aheadMs: number;
  /** Time that it gains, parts per million. */
  readonly driftPpm: number;
}

/** Clocks by host; a host without one has the true time. */
export type HostClocks = Readonly<Record<string, HostClock>>;

/** Key of the Redis server's clock: no host has such a name. */
export const REDIS_CLOCK = "the Redis server";

/**
 * Most by which a clock is off at first, ms. Production asks for clocks of serving hosts that are
 * less than 10 s apart.
 */
export const CLOCK_AHEAD_MS_MAX = 4_900;
/** Most by which a clock's rate is off, parts per million: NTP corrects no more (RFC 5905). */
const DRIFT_PPM_MAX = 500;

/** A clock for each host, some off by milliseconds and some by seconds. */
export function drawHostClocks(stream: RandomStream, hosts: readonly string[]): HostClocks {
  return Object.fromEntries(
    hosts.map((host) => [host, {
      aheadMs: drawAheadMs(stream),
      driftPpm: Math.round((stream.nextFloat() * 2 - 1) * DRIFT_PPM_MAX),
    }]),
  );
}

/** Lead of a clock over the true time, ms. */
export function drawAheadMs(stream: RandomStream): number {
  return whole(stream, 1, CLOCK_AHEAD_MS_MAX) * (stream.nextFloat() < 0.5 ? -1 : 1);
}

/** The clocks as one line of a report; undefined where all of them have the true time. */
export function describeClocks(clocks: HostClocks = {}): string | undefined {
  const words = Object.entries(clocks).map(([host, { aheadMs, driftPpm }]) =>
    `${host} ${signed(aheadMs)} ms ${signed(driftPpm)} ppm`
  );
  return words.length === 0 ? undefined : `wall clocks: ${words.join(", ")}`;
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value);
}
