/**
 * The state of the actors of all hosts, as rows of the console's table.
 */
import type { MetricInterval } from "./metric_reading.ts";

export interface ActorSeen {
  readonly actor: string;
  readonly messagesWaiting: number;
  readonly messagesPerSecond: number;
  /** Since the process began. */
  readonly restarts: number;
  /** Messages lost and asks that expired or were refused, since the process began. */
  readonly failures: number;
}

/** The joiner's outcomes, in all and at present. */
export interface OutcomeSeen {
  readonly outcome: string;
  readonly count: number;
  readonly perSecond: number;
}

export interface PartsSeen {
  readonly actors: readonly ActorSeen[];
  readonly joiner: readonly OutcomeSeen[];
}

/** The parts at the end of the interval; rates are over the interval. */
export function partsSeen(interval: MetricInterval): PartsSeen {
  const { now } = interval;
  const handled = interval.rates("actor", "cairn_actor_messages_handled_total");
  const restarts = now.by("actor", "cairn_actor_restarts_total");
  const failures = ["messages_dropped", "asks_rejected", "asks_expired"]
    .map((name) => now.by("actor", `cairn_actor_${name}_total`));
  const outcomes = interval.rates("outcome", "cairn_joiner_outcomes_total");
  return {
    actors: [...now.by("actor", "cairn_actor_messages_waiting")].map(([actor, waiting]) => ({
      actor,
      messagesWaiting: waiting,
      messagesPerSecond: handled.get(actor) ?? 0,
      restarts: restarts.get(actor) ?? 0,
      failures: failures.reduce((sum, counts) => sum + (counts.get(actor) ?? 0), 0),
    })),
    joiner: [...now.by("outcome", "cairn_joiner_outcomes_total")].map(([outcome, count]) => ({
      outcome,
      count,
      perSecond: outcomes.get(outcome) ?? 0,
    })),
  };
}
