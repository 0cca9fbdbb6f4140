/**
 * The recorded traces of held impressions, which their examples name. Few requests have a recorded
 * trace; for a client that samples all of its requests the number of traces is bounded.
 */
import { isSampled, type TraceContext } from "../../mesh/ports/tracing.ts";

const TRACES_MAX = 4_096;

export class HeldTraces {
  /** By the impression's offset in the event log. */
  readonly #traces = new Map<number, TraceContext>();

  add(offset: number, trace: TraceContext | undefined): void {
    if (isSampled(trace) && this.#traces.size < TRACES_MAX) this.#traces.set(offset, trace);
  }

  get(offset: number): TraceContext | undefined {
    return this.#traces.size === 0 ? undefined : this.#traces.get(offset);
  }

  delete(offset: number): void {
    if (this.#traces.size > 0) this.#traces.delete(offset);
  }
}
