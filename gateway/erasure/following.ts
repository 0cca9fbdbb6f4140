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
  /** Monotonic time by which all requests that began before the erasure have ended, ms. */
  readonly passesAgainFromMs: number;
  /** Complete rounds of each row feed when the trainers had removed the rows. */
  roundsBefore: readonly number[] | undefined;
  /** Monotonic time at which logs and snapshots were looked through last, ms. */
  lookedAtMs: number;
  isOverdue: boolean;
  /** Whether the user is unknown for good, so that there is no second pass. */
  isLost: boolean;
}

/** An erasure that the gateway goes on with from now on. */
export function follow(
  { clock, options }: Pick<ErasureParts, "clock" | "options">,
  request: ErasureRequest,
  user: string | undefined,
): Following {
  return {
    request,
    user,
    passesAgainFromMs: clock.monotonicMs() + options.deadlineMs + ENDING_MS,
    roundsBefore: undefined,
    lookedAtMs: -Infinity,
    isOverdue: false,
    isLost: false,
  };
}

/** Whether the second pass of an erasure is to come, by this erasure itself. */
export function awaitsSecondPass({ secondAt, continuedBy }: ErasureRequest): boolean {
  return secondAt === undefined && continuedBy === undefined;
}
