/**
 * A host of a simulated mesh over all its incarnations.
 */
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { HostWallClock } from "./host_wall_clock.ts";
import type { SimulatedHost } from "./simulated_host.ts";

/** A latency that lasts until a time. */
export interface SlowUntil {
  readonly untilMs: number;
  readonly latencyMs: number;
}

/** No latency. */
export const NOT_SLOW: SlowUntil = { untilMs: 0, latencyMs: 0 };

export interface KnownHost {
  readonly name: string;
  /** The process; undefined while the host is down. */
  current: SimulatedHost | undefined;
  incarnations: number;
  isRestarting: boolean;
  cutFromRedisUntilMs: number;
  answersLostUntilMs: number;
  slowRedis: SlowUntil;
  /** Until then its volume of blobs is away. */
  unmountedUntilMs: number;
  /** The blobs at its mount point meanwhile. */
  folder: BlobStore;
  readonly wallClock: HostWallClock;
}

export function newKnownHost(name: string, wallClock: HostWallClock): KnownHost {
  return {
    name,
    current: undefined,
    incarnations: 0,
    isRestarting: false,
    cutFromRedisUntilMs: 0,
    answersLostUntilMs: 0,
    slowRedis: NOT_SLOW,
    unmountedUntilMs: 0,
    folder: new MemoryBlobStore(),
    wallClock,
  };
}
