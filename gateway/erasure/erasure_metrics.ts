/**
 * The metrics of the erasures that a gateway goes on with.
 */
import type { Gauge, Telemetry } from "../../mesh/ports/telemetry.ts";
import type { ErasureRequest } from "../../records/erasure.ts";

export class ErasureMetrics {
  readonly #underWay: Gauge;
  readonly #overdue: Gauge;

  constructor(telemetry: Telemetry) {
    this.#underWay = telemetry.gauge("cairn_erasures_under_way", {
      help: "Erasures of users that are not complete.",
    });
    this.#overdue = telemetry.gauge("cairn_erasures_overdue", {
      help: "Erasures that are not complete after the time that their receipt states.",
    });
    this.report([], 0);
  }

  /** @param nowMs Wall time, ms. */
  report(requests: readonly ErasureRequest[], nowMs: number): void {
    this.#underWay.set(requests.length);
    this.#overdue.set(requests.filter(({ byMs }) => nowMs >= byMs).length);
  }
}
