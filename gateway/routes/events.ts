/**
 * `POST /v1/events`: actions of users on ranked items. An event is durable before it is answered
 * and counts once however often it is sent; the answer to a batch has a result for each event.
 */
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import type { FailureLog } from "../failure_log.ts";
import { budgetMs, withinDeadline } from "../middleware/deadline.ts";
import { EVENTS_PER_BATCH_MAX } from "../options.ts";
import type { GatewayParts } from "../parts.ts";
import { type ProblemError, problemOf } from "../problems.ts";
import { BodyReader } from "../parsing/request_body.ts";
import { type EventsAnswer, eventsAnswerSchema, eventsRequestSchema } from "../schemas/events.ts";
import { EventAcceptance, type Taken } from "./event_acceptance.ts";
import { answerList, problemsOf, refuseWrappedList, requireListLength } from "./lists.ts";

export function eventsEndpoint(parts: GatewayParts, failures: FailureLog): Endpoint {
  const { clock, labels, options, telemetry } = parts;
  const body = new BodyReader(clock, options);
  const acceptance = new EventAcceptance(parts);
  const counted = telemetry.counter("cairn_events_total", {
    help: "Events received, by result: accepted, duplicate or rejected.",
    labelNames: ["status"],
  });
  const unlogged = telemetry.counter("cairn_events_unlogged_total", {
    help:
      "Accepted events whose ranking the event log did not have, because its server was away, slow " +
      "or full when the ranking was answered.",
  });

  async function post(context: GatewayContext): Promise<Response> {
    const sent = await body.readJson(context);
    refuseWrappedList(sent);
    const many = Array.isArray(sent);
    const events: unknown[] = many ? sent : [sent];
    requireListLength(events, EVENTS_PER_BATCH_MAX, "events", "one event, or ");
    const request = await acceptance.begin(sent, () => budgetMs(context, clock));
    const taking = request.events.map((checked, i) =>
      outcomeOf(events[i], acceptance.take(checked, request))
    );
    acceptance.append(request);
    const outcomes = await withinDeadline(
      context,
      clock,
      Promise.all(taking),
      "The event log did not confirm in time, so whether the events were accepted is unknown. " +
        "Send them again with the same eventId: an accepted event counts once.",
    );

    const answer = answerOf(outcomes);
    counted.add(answer.accepted, { status: "accepted" });
    counted.add(answer.duplicates, { status: "duplicate" });
    counted.add(answer.rejected, { status: "rejected" });
    unlogged.add(
      outcomes.filter((each) => each.status === "accepted" && each.unlogged === true).length,
    );
    const problems = problemsOf(outcomes);
    if (!many && problems.length > 0) throw problems[0];
    const { method, path } = context.req;
    for (const { status, kind, detail } of problems) {
      parts.console?.activity.refused({ method, path, status, kind, detail });
    }
    return answerList(context, failures, answer, problems, {
      entries: events.length,
      none: "no-event-accepted",
      nothingDone: `None of the ${events.length} events was accepted`,
    });
  }

  return {
    method: "post",
    path: "/v1/events",
    operationId: "postEvents",
    summary: "Report what users did with ranked items",
    description:
      "One event, or a list of up to 1000. Each event is accepted or rejected on its own; accepted " +
      "events are durable.",
    tag: "Ranking",
    guarded: true,
    body: eventsRequestSchema,
    example: {
      eventId: "e-1",
      rankingId: "r-1",
      item: "item-1",
      ...(labels?.example ?? { action: "click" }),
    },
    answers: {
      200: {
        description: "Every event was accepted or is a duplicate.",
        schema: eventsAnswerSchema,
      },
      207: {
        description: "Some events of the list were rejected; the others were accepted.",
        schema: eventsAnswerSchema,
      },
    },
    problems: [
      "unknown-ranking",
      "item-not-shown",
      "timestamp-ahead",
      "event-conflict",
      "no-event-accepted",
      "not-ready",
      "log-full",
      "unavailable",
      "deadline-exceeded",
    ],
    handle: post,
  };
}

/** An event that was not accepted, with the reason. */
interface Rejected {
  readonly eventId?: string;
  readonly status: "rejected";
  readonly problem: ProblemError;
}

type Outcome = Taken | Rejected;

/** Turns a failure into an outcome, so that it does not affect the other events of the batch. */
async function outcomeOf(sent: unknown, result: Promise<Taken>): Promise<Outcome> {
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

function answerOf(outcomes: readonly Outcome[]): EventsAnswer {
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
