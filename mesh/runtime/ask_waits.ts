/**
 * How long requests wait until their actor takes them, as a metric by kind of actor. A sample of
 * the asks is counted: one of {@link SAMPLED_ONE_OF}, so that a ranking pays a fraction of a
 * microsecond.
 */
import type { Histogram, Telemetry } from "../ports/telemetry.ts";

const SAMPLED_ONE_OF = 16;
const BUCKETS_MS = [0.1, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000];

export class AskWaits {
  readonly #waits: Histogram;
  readonly #labels: { readonly kind: string };
  #untilSample = 0;

  constructor(telemetry: Telemetry, kind: string) {
    this.#labels = { kind };
    this.#waits = telemetry.histogram("cairn_actor_ask_wait_ms", {
      help: `Time from an ask until its actor takes it, ms; one ask of ${SAMPLED_ONE_OF}.`,
      labelNames: ["kind"],
      buckets: BUCKETS_MS,
    });
  }

  /** An ask was taken from the mailbox. The clock of another host may be a little ahead. */
  took(waitedMs: number): void {
    if (this.#untilSample-- > 0) return;
    this.#untilSample = SAMPLED_ONE_OF - 1;
    this.#waits.record(Math.max(0, waitedMs), this.#labels);
  }
}
