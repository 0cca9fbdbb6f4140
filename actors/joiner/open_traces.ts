/**
 * The traces of open impressions that are recorded, so that their examples name them. Few are, and
 * a bound keeps a client that samples everything from growing the memory.
 */
import { isSampled, type TraceContext } from "../../mesh/ports/tracing.ts";

const TRACES_MAX = 4_096;

export class OpenTraces {
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
