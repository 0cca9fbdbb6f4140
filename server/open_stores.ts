/**
 * Opens the stores of a process at its start. A full disk, and a server that does not answer, are
 * waited for, since a start takes as long as it needs: platforms start a server and its hosts side
 * by side, and a server that loads its data takes minutes. Every other failure ends the start.
 */
import { isAway } from "../mesh/ports/away.ts";
import type { Clock } from "../mesh/ports/clock.ts";
import { isDiskFull } from "../mesh/ports/files.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";

/** Pause before the stores are opened again, ms. */
const RETRY_MS = 1_000;
/** Openings from one log line about the same wait to the next. */
const RETRIES_PER_LINE = 10;

export interface OpenStoresOptions {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Takes the current step of the start, in words. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/**
 * Opens stores, again and again while the disk is full or their server does not answer.
 *
 * @param open Closes the stores that it has opened when a later one fails.
 * @throws {Error} From `open`, for another reason.
 */
export async function openStores<S>(
  open: () => Promise<S>,
  { clock, telemetry, onStep }: OpenStoresOptions,
): Promise<S> {
  let waitedFor: AwaitedThing | undefined;
  for (let attempt = 0;; attempt++) {
    try {
      return await open();
    } catch (error) {
      const awaited = awaitedAfter(error);
      if (awaited === undefined) throw error;
      if (awaited !== waitedFor) attempt = 0;
      waitedFor = awaited;
      onStep?.(`waiting for ${awaited}`);
      if (attempt % RETRIES_PER_LINE === 0) {
        telemetry.log("error", `the start waits for ${awaited}: ${reasonOf(error)}`);
      }
      await new Promise<void>((resolve) => void clock.schedule(RETRY_MS, resolve));
    }
  }
}

/** A condition that a start waits for, in words. */
type AwaitedThing = "space on the disk" | "the Redis server";

function awaitedAfter(error: unknown): AwaitedThing | undefined {
  if (isDiskFull(error)) return "space on the disk";
  return isAway(error) ? "the Redis server" : undefined;
}
