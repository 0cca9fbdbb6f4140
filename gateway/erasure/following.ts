/**
 * An erasure that this gateway goes on with.
 */
import type { ErasureRequest } from "../../records/erasure.ts";
import type { ErasureParts } from "./erasure_parts.ts";

/** Time after `gateway.deadline` in which a request in progress ends, ms. */
const ENDING_MS = 1_000;

export interface Following {
  request: ErasureRequest;
  /** The user; undefined after a restart, until it is read from the log. */
  user: string | undefined;
  /** Monotonic time by which the records of all requests before the erasure are in the log, ms. */
  readonly passesAgainFromMs: number;
  /** By host, complete rounds of its row feed when the trainers had removed the rows. */
  roundsBefore: ReadonlyMap<string, number>;
  /** Monotonic time at which logs and snapshots were looked through last, ms. */
  lookedAtMs: number;
  isOverdue: boolean;
  /** Whether the user is unknown for good, so that there is no second pass. */
  isLost: boolean;
}

/** Time after which a request that began before has ended, and its records are in the log, ms. */
export function betweenPassesMs(
  { options, eventLog }: Pick<ErasureParts, "options" | "eventLog">,
): number {
  const { appendMaxMs = 0 } = eventLog;
  return options.deadlineMs + appendMaxMs + ENDING_MS;
}

/** An erasure that the gateway goes on with from now on. */
export function follow(
  parts: Pick<ErasureParts, "clock" | "options" | "eventLog">,
  request: ErasureRequest,
  user: string | undefined,
): Following {
  return {
    request,
    user,
    passesAgainFromMs: parts.clock.monotonicMs() + betweenPassesMs(parts),
    roundsBefore: new Map(),
    lookedAtMs: -Infinity,
    isOverdue: false,
    isLost: false,
  };
}

/** Whether the second pass of an erasure is to come, by this erasure itself. */
export function awaitsSecondPass({ secondAt, continuedBy }: ErasureRequest): boolean {
  return secondAt === undefined && continuedBy === undefined;
}
