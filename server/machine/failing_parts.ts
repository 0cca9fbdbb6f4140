/**
 * The actors that crash again and again while the others go on without them.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import type { ActorFailure } from "../../mesh/runtime/actor_statistics.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import type { FailingPart } from "../environment.ts";

/** A part counts as failing until this long after its last reported crash, ms. */
const FAILING_MS = 60_000;

export class FailingParts {
  readonly #clock: Clock;
  readonly #newest = new Map<string, { readonly reason: string; readonly atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes a crash too many. */
  add({ address, error }: ActorFailure): void {
    this.#newest.set(address, { reason: reasonOf(error), atMs: this.#clock.monotonicMs() });
  }

  /** The parts that fail now. */
  current(): readonly FailingPart[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#newest]
      .filter(([, { atMs }]) => nowMs - atMs < FAILING_MS)
      .map(([part, { reason }]) => ({ part, reason }));
  }
}
