/**
 * Accepts events: validates the fields, looks for a duplicate, checks time and ranking, and appends
 * to the event log. Events of one request that belong to one partition are appended together.
 */
import { type ActionRecord, encodeEvent, eventPartition } from "../../records/event_record.ts";
import type { FieldErrorBudget } from "../parsing/field_errors.ts";
import { validateEntry } from "../parsing/validation.ts";
import { TimestampParser } from "../parsing/timestamps.ts";
import type { ActionLabels, GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import { type EventRequest, eventSchema } from "../schemas/events.ts";
import type { Taken } from "./events_answer.ts";

/** New events of one request by log partition, each with the promise that duplicates wait for. */
export type Pending = Map<
  number,
  { readonly record: ActionRecord; readonly accepted: PromiseWithResolvers<number> }[]
>;

export class EventAcceptance {
  readonly #parts: GatewayParts;
  readonly #timestamps: TimestampParser;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#timestamps = new TimestampParser(parts.clock, parts.options.timestampAheadMsMax);
  }

  /**
   * Checks one event. Adds a new one to `pending` before it waits for anything, so that a duplicate
   * later in the request finds it.
   *
   * @param path Path of the event in the body.
   * @param budget Field errors that the request's answer may still list.
   * @returns The event's result, once the event is durable.
   * @throws {ProblemError} The event is not accepted.
   */
  async take(
    sent: unknown,
    pending: Pending,
    path: readonly number[],
    budget: FieldErrorBudget,
  ): Promise<Taken> {
    const { memory, eventLog, labels } = this.#parts;
    const event = validateEntry(eventSchema, sent, path, budget);
    const { eventId } = event;
    const base = path.length === 0 ? "#" : `#/${path[0]}`;
    const known = memory.events.find(eventId, event);
    if (known !== undefined) {
      if (!known.isSame) throw conflict(eventId, base);
      return { eventId, status: "duplicate", acceptedAtMs: await known.acceptedAtMs };
    }

    this.#requireInBounds(event, base);
    const atMs = this.#timestamps.parse(event.timestamp, `${base}/timestamp`);
    this.#requireShown(event, base);
    const record = actionRecord(event, atMs, memory.acceptanceClock.nextMs());
    const accepted = Promise.withResolvers<number>();
    memory.events.begin(eventId, event, accepted.promise);
    const partition = eventPartition(event.rankingId, eventLog.partitions);
    const group = pending.get(partition);
    if (group === undefined) pending.set(partition, [{ record, accepted }]);
    else group.push({ record, accepted });

    const note = noteOn(event, labels);
    const acceptedAtMs = await accepted.promise;
    return { eventId, status: "accepted", acceptedAtMs, ...(note !== undefined && { note }) };
  }

  /** Appends each partition's events in one call and settles their promises. */
  append(pending: Pending): void {
    for (const [partition, group] of pending) {
      const records = group.map(({ record }) => encodeEvent(record));
      this.#parts.eventLog.append(partition, records).then(
        () =>
          group.forEach(({ record, accepted }) => {
            this.#parts.console?.activity.accepted(record);
            accepted.resolve(record.acceptedAtMs);
          }),
        (error) => group.forEach(({ accepted }) => accepted.reject(error)),
      );
    }
  }

  #requireInBounds({ eventId, action, value }: EventRequest, base: string): void {
    const { valueBounds } = this.#parts.options;
    if (value === undefined || !Object.hasOwn(valueBounds, action)) return;
    const { min, max } = valueBounds[action];
    if (value >= min && value <= max) return;
    const range = [
      ...(min === -Infinity ? [] : [`of ${min} or more`]),
      ...(max === Infinity ? [] : [`of at most ${max}`]),
    ].join(" and ");
    const reason = `is outside the bounds of the action "${action}"`;
    throw new ProblemError(
      "invalid-request",
      `Cannot accept event "${eventId}": value ${value} ${reason}.`,
      {
        errors: [{
          pointer: `${base}/value`,
          detail: `is ${value}, which ${reason}; send a number ${range}`,
        }],
      },
    );
  }

  #requireShown({ eventId, rankingId, item }: EventRequest, base: string): void {
    const { memory, options } = this.#parts;
    if (options.unknownRankings === "accept") return;
    const shown = memory.rankings.check(rankingId, item);
    if (shown === "shown") return;
    const unknown = shown === "unknown-ranking";
    if (unknown && !memory.isComplete) return;
    const field = unknown ? "rankingId" : "item";
    const value = unknown ? rankingId : item;
    const reason = unknown
      ? "is not a ranking that this gateway remembers"
      : "was not shown by that ranking";
    const send = unknown
      ? "send the rankingId of a recent answer of POST /v1/rank"
      : `send an item that ranking "${rankingId}" showed`;
    throw new ProblemError(
      shown,
      `Cannot accept event "${eventId}": ${field} "${value}" ${reason}.`,
      {
        errors: [{
          pointer: `${base}/${field}`,
          detail: `is "${value}", which ${reason}; ${send}`,
        }],
      },
    );
  }
}

function conflict(eventId: string, base: string): ProblemError {
  const reason = "was used for an event with another rankingId, item, action or value";
  return new ProblemError(
    "event-conflict",
    `Cannot accept event "${eventId}": this eventId ${reason}.`,
    {
      errors: [{
        pointer: `${base}/eventId`,
        detail: `is "${eventId}", which ${reason}; send a new eventId for a new event`,
      }],
    },
  );
}

/** The note on an event from which nothing will be learned, for example by a misspelt action. */
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
