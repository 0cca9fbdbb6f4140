/**
 * Turns a client's timestamp into ms since the Unix epoch. The data clock runs on these timestamps
 * and closes joiner windows; one far ahead would close them all, so it is refused here, before
 * anything is written.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import { ProblemError } from "../problems.ts";
import type { Timestamp } from "../schemas/values.ts";

/** Numbers in this range are more likely seconds of 1973 to 5138 than ms of 1970 to 1973. */
const likelySeconds = { from: 1e8, to: 1e11 };

export class TimestampParser {
  readonly #clock: Clock;
  readonly #aheadMsMax: number;

  /** @param aheadMsMax How far a timestamp may lie ahead of `clock`, ms. */
  constructor(clock: Clock, aheadMsMax: number) {
    this.#clock = clock;
    this.#aheadMsMax = aheadMsMax;
  }

  /**
   * @param timestamp As the client sent it; absent = now.
   * @param pointer Pointer to the timestamp in the body, for the problem.
   * @param nowMs The present time, ms. Default: that of the clock.
   * @returns ms since the Unix epoch.
   * @throws {ProblemError} It lies too far ahead or before 1970, or is in seconds.
   */
  parse(
    timestamp: Timestamp | undefined,
    pointer = "#/timestamp",
    nowMs = this.#clock.nowMs(),
  ): number {
    if (timestamp === undefined) return nowMs;
    const atMs = typeof timestamp === "number" ? timestamp : Date.parse(timestamp);
    if (atMs < 0) {
      throw refusal("invalid-request", pointer, `is ${timestamp}; send a time from 1970 on`);
    }
    if (typeof timestamp === "number" && atMs >= likelySeconds.from && atMs < likelySeconds.to) {
      throw refusal(
        "invalid-request",
        pointer,
        `is ${timestamp}, which looks like seconds; send milliseconds: ${timestamp * 1000}`,
      );
    }
    if (atMs > nowMs + this.#aheadMsMax) {
      throw refusal(
        "timestamp-ahead",
        pointer,
        `is ${timestamp}, ${durationText(atMs - nowMs)} ahead of the server's clock (at most ` +
          `${this.#aheadMsMax} ms are allowed); send the time at which it happened, or leave it ` +
          "out for now",
      );
    }
    return atMs;
  }
}

function refusal(kind: "invalid-request" | "timestamp-ahead", pointer: string, detail: string) {
  return new ProblemError(kind, `Cannot take the time of this request: it ${detail}.`, {
    errors: [{ pointer, detail }],
  });
}

function durationText(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms)} ms`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} minutes`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} hours`;
  return `${Math.round(ms / 86_400_000)} days`;
}
