/**
 * Reports of an actor's supervision: its counters, and its end.
 */
import type { Address } from "./actor.ts";

/** An actor that crashed too often. */
export interface ActorFailure {
  readonly address: Address;
  readonly node: string;
  readonly error: unknown;
  /** Restarts within the policy's period before this. */
  readonly restarts: number;
  /** Delay before it is restarted all the same, ms; undefined where it is stopped. */
  readonly restartsInMs?: number;
}

/** An actor's counters since it was spawned. */
export interface ActorStatistics {
  readonly address: Address;
  readonly state: CellState;
  readonly queued: number;
  readonly handled: number;
  /** Told messages that were dropped because the mailbox was full or the actor stopped. */
  readonly dropped: number;
  /** Asks that were answered with an overload error. */
  readonly rejected: number;
  /** Asks that were skipped because their budget ran out while they waited. */
  readonly expired: number;
  /** Asks that were skipped because their asker gave them up before the deadline. */
  readonly cancelled: number;
  readonly restarts: number;
}

/** The states of an actor, from `spawn` to its end. */
export type CellState = "starting" | "running" | "restarting" | "stopping" | "stopped";
