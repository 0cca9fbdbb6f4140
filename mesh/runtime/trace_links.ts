/**
 * The traces that caused work which no request waits for, gathered until the work is done.
 */
import { isSampled, type TraceContext } from "../ports/tracing.ts";

/** Further traces are left out: a span with more links says no more. */
const LINKS_MAX = 16;

export class TraceLinks {
  readonly #contexts = new Set<TraceContext>();

  /** Adds a trace, if it is recorded. */
  add(context: TraceContext | undefined): void {
    if (isSampled(context) && this.#contexts.size < LINKS_MAX) this.#contexts.add(context);
  }

  addAll(contexts: readonly TraceContext[] = []): void {
    for (const context of contexts) this.add(context);
  }

  /** The traces since the last call; undefined where there are none. */
  take(): readonly TraceContext[] | undefined {
    if (this.#contexts.size === 0) return undefined;
    const contexts = [...this.#contexts];
    this.#contexts.clear();
    return contexts;
  }
}
