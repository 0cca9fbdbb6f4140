/**
 * Carries dense weights to the scorers, and looks which ones they have. Scorers get them over each
 * other ({@link LoadDenseWeights}), those that were slow directly.
 *
 * Nothing waits for a scorer: each has one question and one transfer at a time. One that begins to
 * stand still keeps newer weights from those that get them with it for {@link RELAY_MS_MAX}.
 */
import type { ActorContext, ActorRef } from "../../mesh/runtime/actor.ts";
import { AskTimeoutError } from "../../mesh/runtime/errors.ts";
import type { LimitedWarnings } from "../../mesh/runtime/limited_warnings.ts";
import { FAILED, NOT_REACHED, type ScorerMessage } from "../scorer/protocol.ts";
import type { LearnedWeights } from "../trainer/protocol.ts";
import type { ParameterSyncMessage } from "./protocol.ts";

/** Time in which weights go over the scorers, ms at most. */
const RELAY_MS_MAX = 1_000;
/** Time for which a scorer that was slow passes nothing on, ms. */
const SLOW_MS = 30_000;

/** The weights that a scorer serves. */
export interface ServedWeights extends Pick<LearnedWeights, "learnedThroughMs"> {
  /** -1 = unknown. */
  readonly version: number;
}

const UNKNOWN: ServedWeights = { version: -1, learnedThroughMs: 0 };

export interface WeightTransfersParts {
  readonly context: Pick<ActorContext<ParameterSyncMessage>, "clock" | "isCurrent">;
  /** Budget of a question and of a direct transfer, ms. */
  readonly budgetMs: number;
  readonly warnings: LimitedWarnings;
}

export class WeightTransfers {
  readonly #parts: WeightTransfersParts;
  readonly #scorers: readonly ActorRef<ScorerMessage>[];
  /** By scorer. */
  readonly #served: ServedWeights[];
  /** Scorers that have been asked for their version and have not answered yet. */
  readonly #asked = new Set<number>();
  /** The transfer that is under way to a scorer: the scorers that get it. */
  readonly #underWay = new Map<number, readonly number[]>();
  /** Until when a scorer counts as slow, on the monotonic clock, ms. */
  readonly #slowUntilMs: number[];
  /** Relays that have begun. Each has another scorer first, so that all pass on equally much. */
  #relays = 0;
  /** Carried last; kept for a scorer that restarts, or has older ones, while trainers are away. */
  #carried: LearnedWeights | undefined;

  constructor(scorers: readonly ActorRef<ScorerMessage>[], parts: WeightTransfersParts) {
    this.#scorers = scorers;
    this.#parts = parts;
    this.#served = scorers.map(() => UNKNOWN);
    this.#slowUntilMs = scorers.map(() => -Infinity);
  }

  /** The weights that were carried last. */
  get carried(): LearnedWeights | undefined {
    return this.#carried;
  }

  /** The newest weights that a scorer is known to serve. */
  get served(): ServedWeights {
    return this.#served.reduce((a, b) => b.version > a.version ? b : a, UNKNOWN);
  }

  /** Whether each scorer is known to have the weights that were carried last. */
  get areNewest(): boolean {
    const newest = this.#carried?.weights.version ?? 0;
    return this.#served.every(({ version }) => version >= newest);
  }

  /** Begins to carry weights to the scorers that have older ones. */
  carry(learned: LearnedWeights): void {
    this.#carried = learned;
    const order = this.#scorers.map((_, i) => (i + this.#relays) % this.#scorers.length);
    const behind = order.filter((scorer) =>
      this.#served[scorer].version < learned.weights.version && !this.#underWay.has(scorer)
    );
    const nowMs = this.#parts.context.clock.monotonicMs();
    const slow = behind.filter((scorer) => nowMs < this.#slowUntilMs[scorer]);
    const relayed = behind.filter((scorer) => nowMs >= this.#slowUntilMs[scorer]);
    for (const scorers of [relayed, ...slow.map((scorer) => [scorer])]) {
      if (scorers.length > 0) this.#send(scorers, learned);
    }
  }

  /** Begins to ask scorers for their version: all of them, or those whose version is unknown. */
  check({ all }: { readonly all: boolean }): void {
    for (const scorer of this.#scorers.keys()) {
      if (this.#asked.has(scorer) || !all && this.#served[scorer].version >= 0) continue;
      this.#asked.add(scorer);
      this.#ask(scorer);
    }
  }

  async #ask(scorer: number): Promise<void> {
    const { budgetMs } = this.#parts;
    try {
      const { isSynced, modelVersion: version, learnedThroughMs } = await this.#scorers[scorer]
        .ask({ kind: "getModel" }, { budgetMs });
      // A transfer that is under way ends without one that has begun anew.
      if (!isSynced && this.#served[scorer].version >= 0) this.#underWay.delete(scorer);
      this.#served[scorer] = isSynced ? { version, learnedThroughMs } : UNKNOWN;
      if (this.#carried !== undefined) this.carry(this.#carried);
    } catch (error) {
      this.#failed(scorer, error);
    } finally {
      this.#asked.delete(scorer);
    }
  }

  /** Sends weights to the first of these scorers, which passes them on to the others. */
  async #send(scorers: readonly number[], learned: LearnedWeights): Promise<void> {
    for (const scorer of scorers) this.#underWay.set(scorer, scorers);
    const [first, ...others] = scorers.map((scorer) => this.#scorers[scorer]);
    const isRelay = others.length > 0;
    if (isRelay) this.#relays++;
    const message = {
      kind: "loadDenseWeights",
      ...learned,
      passTo: others.map(({ address }) => address),
    } as const;
    const { budgetMs, context } = this.#parts;
    const beganMs = context.clock.monotonicMs();
    let versions: readonly number[];
    try {
      ({ versions } = await first.ask(message, {
        budgetMs: Math.min(budgetMs, isRelay ? RELAY_MS_MAX : Infinity),
        bulk: true,
      }));
    } catch (error) {
      if (!isRelay) this.#failed(scorers[0], error);
      // Where time was up, any of them may have been slow.
      const isOver = error instanceof AskTimeoutError;
      versions = scorers.map((_, i) => i === 0 || isOver ? FAILED : NOT_REACHED);
    }
    const nowMs = context.clock.monotonicMs();
    const isLate = nowMs - beganMs > RELAY_MS_MAX;
    for (const [i, scorer] of scorers.entries()) {
      if (isLate || versions[i] === FAILED) this.#slowUntilMs[scorer] = nowMs + SLOW_MS;
      if (this.#underWay.get(scorer) !== scorers) continue;
      this.#underWay.delete(scorer);
      const version = Math.max(-1, versions[i]);
      // Later weights, of another host, are unknown until the scorer is asked.
      const isSent = version === learned.weights.version;
      const learnedThroughMs = isSent ? learned.learnedThroughMs : Infinity;
      this.#served[scorer] = { version, learnedThroughMs };
    }
    if (isRelay && this.#carried !== undefined && versions.some((version) => version < 0)) {
      this.carry(this.#carried); // again, without those that failed
    }
  }

  #failed(scorer: number, error: unknown): void {
    if (!this.#parts.context.isCurrent) return;
    this.#served[scorer] = UNKNOWN;
    const { address } = this.#scorers[scorer];
    this.#parts.warnings.warn(`${address} does not get weights`, error);
  }
}
