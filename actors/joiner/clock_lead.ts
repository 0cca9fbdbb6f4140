/**
 * Watches how far the data clock is ahead of the wall clock.
 *
 * Events are accepted by the wall clocks of the gateways, so a lead beyond `clockSkewMsMax`, and
 * beyond the difference of the hosts' clocks, means that a wall clock was ahead for a while and was
 * set back. Windows end by the data clock: until the wall
 * catches up, no window would end and nothing would be learned from negatives.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import type { Gauge, Telemetry } from "../../mesh/ports/telemetry.ts";

/** Time for which the lead must last before the joiner starts anew, ms: a step may be undone. */
const LEAD_LASTS_MS = 60_000;

/** The data clock stays ahead of the wall clock. A joiner that starts anew corrects that. */
export class DataClockAheadError extends Error {
  override readonly name = "DataClockAheadError";
  constructor(leadMs: number) {
    super(
      `The data clock is ${
        seconds(leadMs)
      } ahead of this machine's clock, which was set back, or ` +
        "the clock of a host that accepts events was ahead. " +
        `The joiner starts anew from its position, with the data clock at this machine's.`,
    );
  }
}

export class ClockLead {
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #leadMsMax: number;
  readonly #gauge: Gauge;
  readonly #labels: { readonly joiner: string };
  /** When the lead was first found too large, on the monotonic clock. */
  #sinceMs: number | undefined;
  #leadMs = 0;

  /**
   * @param leadMsMax `clockSkewMsMax` plus `clocksApartMsMax`.
   * @param partition The joiner's partition.
   */
  constructor(clock: Clock, telemetry: Telemetry, leadMsMax: number, partition: number) {
    this.#labels = { joiner: String(partition) };
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#leadMsMax = leadMsMax;
    this.#gauge = telemetry.gauge("cairn_joiner_clock_lead_ms", {
      help: "Lead of the data clock over the wall clock, ms; more than joiner.clockSkewMax, or " +
        "10 s more in a mesh, after the wall clock was set back.",
      labelNames: ["joiner"],
    });
  }

  /** The lead, if it is too large. */
  get warning(): string | undefined {
    if (this.#sinceMs === undefined) return undefined;
    return `No window ends: the data clock is ${seconds(this.#leadMs)} ahead of this machine's ` +
      "clock, which was set back, or the clock of a host that accepts events was ahead.";
  }

  /** @throws {DataClockAheadError} When the lead has been too large for a minute. */
  check(dataClockMs: number): void {
    this.#leadMs = Math.max(0, dataClockMs - this.#clock.nowMs());
    this.#gauge.set(this.#leadMs, this.#labels);
    if (this.#leadMs <= this.#leadMsMax) {
      this.#sinceMs = undefined;
      return;
    }
    const nowMs = this.#clock.monotonicMs();
    if (this.#sinceMs === undefined) {
      this.#sinceMs = nowMs;
      this.#telemetry.log("warn", "the data clock is ahead of the wall clock", {
        leadMs: this.#leadMs,
      });
    } else if (nowMs - this.#sinceMs >= LEAD_LASTS_MS) {
      throw new DataClockAheadError(this.#leadMs);
    }
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
