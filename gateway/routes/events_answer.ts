/**
 * The result of each event of a request, and the answer that lists them.
 */
import { type ProblemError, problemOf } from "../problems.ts";
import type { EventsAnswer } from "../schemas/events.ts";

/** An accepted event or a duplicate, as the answer lists it. */
export interface Taken {
  readonly eventId: string;
  readonly status: "accepted" | "duplicate";
  readonly acceptedAtMs: number;
  /** The ranking of an event that named none. */
  readonly rankingId?: string;
  readonly note?: string;
}

/** An event that was not accepted, with the reason. */
export interface Rejected {
  readonly eventId?: string;
  readonly status: "rejected";
  readonly problem: ProblemError;
}

export type Outcome = Taken | Rejected;

/** Turns a failure into an outcome, so that it does not affect the other events of the batch. */
export async function outcomeOf(sent: unknown, result: Promise<Taken>): Promise<Outcome> {
  try {
    return await result;
  } catch (error) {
    const eventId = (sent as { eventId?: unknown } | null)?.eventId;
    return {
      ...(typeof eventId === "string" && { eventId }),
      status: "rejected",
      problem: problemOf(error),
    };
  }
}

export function answerOf(outcomes: readonly Outcome[]): EventsAnswer {
  const answer: EventsAnswer = { accepted: 0, duplicates: 0, rejected: 0, events: [] };
  for (const outcome of outcomes) {
    switch (outcome.status) {
      case "accepted":
        answer.accepted++;
        answer.events.push(outcome);
        break;
      case "duplicate":
        answer.duplicates++;
        answer.events.push(outcome);
        break;
      case "rejected":
        answer.rejected++;
        answer.events.push({ ...outcome, problem: outcome.problem.body() });
        break;
      default:
        outcome satisfies never;
    }
  }
  return answer;
}
