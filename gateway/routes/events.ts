/**
 * `POST /v1/events`: what people did. An event is durable before it is answered, counts once however often it is
 * sent, and a batch says what became of each of its events.
 */
import { type ActionRecord, encodeEvent, eventPartition } from "../../actors/joiner/protocol.ts";
import { DataClock } from "../data_clock.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import { withinDeadline } from "../middleware/deadline.ts";
import { eventsPerBatchMax } from "../options.ts";
import type { ActionLabels, GatewayParts } from "../parts.ts";
import { ProblemError, problemOf } from "../problems.ts";
import { BodyReader, invalidRequest } from "../request_body.ts";
import {
  type EventRequest,
  type EventsAnswer,
  eventsAnswerSchema,
  eventSchema,
  eventsRequestSchema,
} from "../schemas/events.ts";

/** An accepted or repeated event, as the answer lists it. */
interface Taken {
  readonly eventId: string;
  readonly status: "accepted" | "duplicate";
  readonly acceptedAtMs: number;
  readonly note?: string;
}

/** An event that was not accepted, and why. */
interface Rejected {
  readonly eventId?: string;
  readonly status: "rejected";
  readonly problem: ProblemError;
}

/** New events of one request, by partition of the event log, each with the acceptance that its duplicates wait for. */
type Pending = Map<
  number,
  { readonly record: ActionRecord; readonly accepted: PromiseWithResolvers<number> }[]
>;

export function eventsEndpoint(parts: GatewayParts): Endpoint {
  const { clock, eventLog, labels, memory, options, telemetry } = parts;
  const body = new BodyReader(clock, options);
  const dataClock = new DataClock(clock, options.timestampAheadMsMax);
  const counted = telemetry.counter("cairn_events_total", {
    help: "Events received, by what became of them.",
    labelNames: ["status"],
  });

  async function post(context: GatewayContext): Promise<Response> {
    const sent = await body.readJson(context);
    const many = Array.isArray(sent);
    const events: unknown[] = many ? sent : [sent];
    requireBatchSize(events);
    const pending: Pending = new Map();
    const outcomes = events.map((event, i) =>
      settled(event, take(event, pending, many ? [i] : []))
    );
    append(pending);
    const results = await durable(context, Promise.all(outcomes));
    const answer = answerOf(results);
    counted.add(answer.accepted, { status: "accepted" });
    counted.add(answer.duplicates, { status: "duplicate" });
    counted.add(answer.rejected, { status: "rejected" });
    if (answer.rejected === 0) return context.json(answer);
    if (answer.rejected < events.length) return context.json(answer, 207);
    throw many ? noneAccepted(results, answer) : (results[0] as Rejected).problem;
  }

  /**
   * Checks one event; a new one is put to `pending` by partition.
   *
   * @returns Its result, once it is durable.
   */
  async function take(
    sent: unknown,
    pending: Pending,
    path: readonly number[],
  ): Promise<Taken> {
    const parsed = eventSchema.safeParse(sent);
    if (!parsed.success) throw invalidRequest(parsed.error.issues, sent, path);
    const event = parsed.data;
    const base = path.length === 0 ? "#" : `#/${path[0]}`;
    const known = memory.events.find(event.eventId);
    if (known !== undefined) {
      return { eventId: event.eventId, status: "duplicate", acceptedAtMs: await known };
    }
    const atMs = dataClock.atMs(event.timestamp, `${base}/timestamp`);
    requireShown(event, base);
    const record = actionRecord(event, atMs, memory.acceptance.nextMs());
    const accepted = Promise.withResolvers<number>();
    memory.events.begin(event.eventId, accepted.promise);
    const partition = eventPartition(event.rankingId, eventLog.partitions);
    const group = pending.get(partition);
    if (group === undefined) pending.set(partition, [{ record, accepted }]);
    else group.push({ record, accepted });
    const note = noteOn(event, labels);
    return {
      eventId: event.eventId,
      status: "accepted",
      acceptedAtMs: await accepted.promise,
      ...(note !== undefined && { note }),
    };
  }

  function requireShown(event: EventRequest, base: string): void {
    if (options.unknownRankings === "accept") return;
    const shown = memory.rankings.check(event.rankingId, event.item);
    if (shown === "shown") return;
    const [field, value, send] = shown === "unknown-ranking"
      ? ["rankingId", event.rankingId, "send the rankingId of a recent answer of POST /v1/rank"]
      : ["item", event.item, `send an item that ranking "${event.rankingId}" showed`];
    const reason = shown === "unknown-ranking"
      ? "is not a ranking that this gateway remembers"
      : "was not shown by that ranking";
    throw new ProblemError(
      shown,
      `Cannot accept event "${event.eventId}": ${field} "${value}" ${reason}.`,
      {
        errors: [{
          pointer: `${base}/${field}`,
          detail: `is "${value}", which ${reason}; ${send}`,
        }],
      },
    );
  }

  /** Writes each partition's events in one append and settles them. */
  function append(pending: Pending): void {
    for (const [partition, group] of pending) {
      const records = group.map(({ record }) => encodeEvent(record));
      eventLog.append(partition, records).then(
        () => group.forEach(({ record, accepted }) => accepted.resolve(record.acceptedAtMs)),
        (error) => group.forEach(({ accepted }) => accepted.reject(error)),
      );
    }
  }

  function durable<T>(context: GatewayContext, results: Promise<T>): Promise<T> {
    return withinDeadline(
      context,
      clock,
      results,
      "The event log did not confirm in time, so whether the events were accepted is unknown. " +
        "Send them again with the same eventId: what was accepted counts once.",
    );
  }

  return {
    method: "post",
    path: "/v1/events",
    operationId: "postEvents",
    summary: "Report what users did with ranked items",
    description:
      "One event, or a list of up to 1000. Accepted events are durable; each is judged by itself.",
    tag: "Ranking",
    guarded: true,
    body: eventsRequestSchema,
    example: { eventId: "e-1", rankingId: "r-1", item: "item-1", ...exampleOf(labels) },
    answers: {
      200: { description: "Every event is accepted or a duplicate.", schema: eventsAnswerSchema },
      207: {
        description: "Some events of the list were rejected; the others are accepted.",
        schema: eventsAnswerSchema,
      },
    },
    problems: [
      "unknown-ranking",
      "item-not-shown",
      "timestamp-ahead",
      "no-event-accepted",
      "log-full",
      "deadline-exceeded",
    ],
    handle: post,
  };
}

/** An event's failure becomes its outcome, so that the others of the batch go on. */
async function settled(sent: unknown, result: Promise<Taken>): Promise<Taken | Rejected> {
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

function answerOf(results: readonly (Taken | Rejected)[]): EventsAnswer {
  const answer: EventsAnswer = { accepted: 0, duplicates: 0, rejected: 0, events: [] };
  for (const result of results) {
    switch (result.status) {
      case "accepted":
        answer.accepted++;
        answer.events.push(result);
        break;
      case "duplicate":
        answer.duplicates++;
        answer.events.push(result);
        break;
      case "rejected":
        answer.rejected++;
        answer.events.push({ ...result, problem: result.problem.body() });
        break;
      default:
        result satisfies never;
    }
  }
  return answer;
}

function exampleOf(labels: ActionLabels | undefined): ActionLabels["example"] {
  return labels?.example ?? { action: "click" };
}

/** A misspelt action would be accepted and never learned from, so the answer says it. */
function noteOn(
  { action, value }: EventRequest,
  labels: ActionLabels | undefined,
): string | undefined {
  if (labels === undefined || labels.decides(action, value)) return undefined;
  const known = labels.actions.includes(action);
  return `Nothing will be learned from it: no label rule ${
    known
      ? `matches "${action}" ${value === undefined ? "without a value" : `of value ${value}`}`
      : `reads the action "${action}"; they read ${labels.actions.join(", ")}`
  }.`;
}

function actionRecord(event: EventRequest, atMs: number, acceptedAtMs: number): ActionRecord {
  return {
    kind: "action",
    eventId: event.eventId,
    rankingId: event.rankingId,
    item: event.item,
    action: event.action,
    ...(event.value !== undefined && { value: event.value }),
    atMs,
    acceptedAtMs,
  };
}

function requireBatchSize(events: readonly unknown[]): void {
  if (events.length >= 1 && events.length <= eventsPerBatchMax) return;
  const detail =
    `is a list of ${events.length} events; send one event, or a list of 1 to ${eventsPerBatchMax}`;
  throw new ProblemError("invalid-request", `The body ${detail}.`, {
    errors: [{ pointer: "#", detail }],
  });
}

/** The server's own failure where there is one, since a retry helps only then; the client's otherwise. */
function noneAccepted(results: readonly (Taken | Rejected)[], answer: EventsAnswer): ProblemError {
  const problems = results.flatMap((result) =>
    result.status === "rejected" ? [result.problem] : []
  );
  const ours = problems.find((problem) => problem.status >= 500);
  return new ProblemError(
    ours?.kind ?? "no-event-accepted",
    `None of the ${answer.rejected} events was accepted: ${(ours ?? problems[0]).detail}`,
    { members: { ...answer }, cause: ours },
  );
}
