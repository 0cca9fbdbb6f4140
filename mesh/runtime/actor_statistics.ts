/**
 * What an actor's supervision reports.
 */
import type { Address } from "./actor.ts";

/** An actor that its supervisor has given up. */
export interface ActorFailure {
  readonly address: Address;
  readonly node: string;
  readonly error: unknown;
  /** Restarts within the policy's period before this. */
  readonly restarts: number;
}

/** An actor's counters since it was spawned. */
export interface ActorStatistics {
  readonly address: Address;
  readonly state: CellState;
  readonly queued: number;
  readonly handled: number;
  /** Told messages that found the mailbox full. */
  readonly dropped: number;
  /** Asks that were refused as overloaded. */
  readonly rejected: number;
  /** Asks whose budget ran out before they were handled: skipped. */
  readonly expired: number;
  readonly restarts: number;
}

/** Where an actor stands in its life. */
export type CellState = "starting" | "running" | "restarting" | "stopping" | "stopped";
