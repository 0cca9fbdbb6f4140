/**
 * Logs why something waits when the reason is new, and not at each attempt.
 */
import type { Telemetry } from "../../mesh/ports/telemetry.ts";

export class ToldWaits {
  readonly #telemetry: Telemetry;
  /** The newest message on each thing that waits. */
  readonly #told = new Map<string, string>();

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  /** @param message Which of the things wait, and why. */
  tell(thing: string, message: string): void {
    if (this.#told.get(thing) === message) return;
    this.#told.set(thing, message);
    this.#telemetry.log("warn", message);
  }

  /** It has gone on; a later wait is told again, whatever its reason. */
  end(thing: string): void {
    this.#told.delete(thing);
  }
}
