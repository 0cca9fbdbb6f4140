/**
 * Schedules the rounds of parameter sync at common moments, multiples of their intervals on the
 * wall clock, so that they share wake-ups of the thread. While nothing changes, those that look for
 * news are quiet: they come once a second.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import { untilNextMoment } from "../../mesh/runtime/common_moments.ts";
import type { ParameterSyncMessage, Round } from "./protocol.ts";

/** Interval of quiet rounds, ms, unless their own one is longer. */
const QUIET_MS = 1_000;
/** Rounds that look for news. */
const looking: ReadonlySet<Round["kind"]> = new Set(["tellMarks", "syncDense"]);

export class Rounds {
  readonly #context: ActorContext<ParameterSyncMessage>;
  readonly #intervalsMs: Readonly<Record<Round["kind"], number>>;
  /** By kind; those that are due may be under way. */
  readonly #next = new Map<Round["kind"], { readonly dueMs: number; cancel(): void }>();
  #areQuiet = false;

  constructor(
    context: ActorContext<ParameterSyncMessage>,
    intervalsMs: Readonly<Record<Round["kind"], number>>,
  ) {
    this.#context = context;
    this.#intervalsMs = intervalsMs;
  }

  get areQuiet(): boolean {
    return this.#areQuiet;
  }

  /** There is nothing new: rounds that end from here on are followed by quiet ones. */
  calm(): void {
    this.#areQuiet = true;
  }

  /** Begins a round at once. */
  begin(kind: Round["kind"]): void {
    this.#in(0, kind);
  }

  /** Schedules the round after one that has ended. The pause is at least half of its interval. */
  next(kind: Round["kind"]): void {
    const { clock } = this.#context;
    const intervalMs = this.#intervalsMs[kind];
    const isQuiet = this.#areQuiet && looking.has(kind);
    if (isQuiet && intervalMs < QUIET_MS) return this.#in(untilNextMoment(clock, QUIET_MS), kind);
    const nowMs = clock.nowMs();
    this.#in(intervalMs * Math.ceil(nowMs / intervalMs + 0.5) - nowMs, kind);
  }

  /** There is news: rounds come as early as they would without quiet ones. */
  hasten(): void {
    if (!this.#areQuiet) return;
    this.#areQuiet = false;
    const { clock } = this.#context;
    for (const kind of looking) {
      const delayMs = untilNextMoment(clock, this.#intervalsMs[kind]);
      const isEarlier = clock.monotonicMs() + delayMs < (this.#next.get(kind)?.dueMs ?? Infinity);
      if (isEarlier) this.#in(delayMs, kind);
    }
  }

  #in(delayMs: number, kind: Round["kind"]): void {
    this.#next.get(kind)?.cancel();
    const timer = this.#context.schedule(delayMs, { kind });
    const dueMs = this.#context.clock.monotonicMs() + delayMs;
    this.#next.set(kind, { dueMs, cancel: () => timer.cancel() });
  }
}
