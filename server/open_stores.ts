/**
 * Opens the stores of a process at its start. A full disk is waited for, since a start takes as
 * long as it needs; every other failure ends the start.
 */
import type { Clock } from "../mesh/ports/clock.ts";
import { isDiskFull } from "../mesh/ports/files.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";

/** Pause before the stores are opened again, ms. */
const RETRY_MS = 1_000;
/** Openings from one log line about a full disk to the next. */
const RETRIES_PER_LINE = 10;

export interface OpenStoresOptions {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Takes the current step of the start, in words. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/**
 * Opens stores, again and again while the disk is full.
 *
 * @param open Closes the stores that it has opened when a later one fails.
 * @throws {Error} From `open`, unless the disk is full.
 */
export async function openStores<S>(
  open: () => Promise<S>,
  { clock, telemetry, onStep }: OpenStoresOptions,
): Promise<S> {
  for (let attempt = 0;; attempt++) {
    try {
      return await open();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      onStep?.("waiting for space on the disk");
      if (attempt % RETRIES_PER_LINE === 0) {
        telemetry.log("error", `the start waits for space on the disk: ${reasonOf(error)}`);
      }
      await new Promise<void>((resolve) => void clock.schedule(RETRY_MS, resolve));
    }
  }
}
