/**
 * Accepts events: validates the fields, looks for a duplicate, checks time and ranking, and appends
 * to the event log. Events of one request that belong to one partition are appended together.
 */
import { type ActionRecord, encodeEvent, encodeStampable } from "../../records/event_record.ts";
import { presentPartition } from "../../records/ranking_partition.ts";
import { contentText } from "../memory/recent_events.ts";
import { type OnceRecord, SealedPartitionError } from "../../mesh/ports/event_log.ts";
import { FieldErrorBudget } from "../parsing/field_errors.ts";
import { validateEntry } from "../parsing/validation.ts";
import { TimestampParser } from "../parsing/timestamps.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import { type EventRequest, eventSchema } from "../schemas/events.ts";
import {
  type CheckedEvent,
  conflict,
  madeElsewhere,
  rankingOrUserOf,
  requireInBounds,
  requireShown,
} from "./event_checks.ts";
import { noteOn } from "./event_notes.ts";
import { OtherRankingsLoader, type RankingsOfOthers } from "./rankings_of_others.ts";
import { isLoggedByOther, isUnlogged, unloggedNote } from "./unlogged_rankings.ts";
import { type Attribution, UnrankedEvents } from "./unranked_events.ts";

/** An accepted event or a duplicate, as the answer lists it. */
export interface Taken {
  readonly eventId: string;
  readonly status: "accepted" | "duplicate";
  readonly acceptedAtMs: number;
  /** The ranking of an event that named none. */
  readonly rankingId?: string;
  /** Present where the log does not have the event's ranking. */
  readonly unlogged?: true;
  readonly note?: string;
}

/** A new event of a request. */
interface NewEvent {
  record: ActionRecord;
  /** As its client sent it. */
  readonly event: EventRequest;
  /** Duplicates wait for its promise of the acceptance time. */
  readonly accepted: PromiseWithResolvers<number>;
  /** Path of the event in the body. */
  readonly pointer: string;
  /** The record of the ranking that is made of the event; the log gets both or neither. */
  readonly impression?: Uint8Array;
  /** Whether the log is to be asked for the event's ranking, see {@link isLoggedByOther}. */
  readonly isLoggedByOther: boolean;
  /** Whether another gateway has accepted it before. */
  isDuplicate: boolean;
}

/** New events of one request by log partition. */
type Pending = Map<number, NewEvent[]>;

/** The events of one request while they are taken. */
export interface EventsOfRequest {
  /** In the order of the body. */
  readonly events: readonly CheckedEvent[];
  /** By event; absent where it needs none. */
  readonly ofOthers: RankingsOfOthers;
  readonly pending: Pending;
}

export class EventAcceptance {
  readonly #parts: GatewayParts;
  readonly #timestamps: TimestampParser;
  readonly #unranked: UnrankedEvents;
  readonly #others: OtherRankingsLoader;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#unranked = new UnrankedEvents(parts);
    this.#others = new OtherRankingsLoader(parts, this.#unranked);
    this.#timestamps = new TimestampParser(parts.clock, parts.options.timestampAheadMsMax);
  }

  /**
   * Begins to take the events of a request: checks each by itself, then loads the rankings that
   * they need of other gateways.
   *
   * @param sent The body: one event or a list.
   * @param leftMs Time that the request has left, ms; throws where it has none.
   */
  async begin(sent: unknown, leftMs: () => number): Promise<EventsOfRequest> {
    const nowMs = this.#parts.clock.nowMs();
    const budget = new FieldErrorBudget();
    const events = Array.isArray(sent)
      ? sent.map((each, i) => this.#check(each, [i], nowMs, budget))
      : [this.#check(sent, [], nowMs, budget)];
    return { events, ofOthers: await this.#others.load(events, leftMs), pending: new Map() };
  }

  /**
   * @param path Path of the event in the body.
   * @param nowMs The time of an event without a timestamp, ms.
   * @param budget Field errors that the answer may still list.
   */
  #check(
    sent: unknown,
    path: readonly number[],
    nowMs: number,
    budget: FieldErrorBudget,
  ): CheckedEvent {
    const { memory, options } = this.#parts;
    const pointer = path.length === 0 ? "#" : `#/${path[0]}`;
    try {
      const event = validateEntry(eventSchema, sent, path, budget);
      const known = memory.events.find(event.eventId, event);
      if (known?.isSame === false) throw conflict(event.eventId, pointer);
      if (known !== undefined) return { kind: "known", event, known };
      requireInBounds(event, pointer, options);
      const atMs = this.#timestamps.parse(event.timestamp, `${pointer}/timestamp`, nowMs);
      return { kind: "valid", event, pointer, atMs, ...rankingOrUserOf(event, pointer) };
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      return { kind: "refused", problem: error };
    }
  }

  /**
   * Takes one event. Adds a new one to those that are pending before it waits for anything, so that
   * a duplicate later in the request finds it.
   *
   * @returns The event's result, once the event is durable.
   * @throws {ProblemError} The event is not accepted.
   * @throws {RankingsUnreadError | LogUnavailableError} It may be later: a ranking cannot be read,
   * or the log is away.
   */
  async take(
    checked: CheckedEvent,
    { ofOthers, pending }: Omit<EventsOfRequest, "events">,
  ): Promise<Taken> {
    if (checked.kind === "refused") throw checked.problem;
    const { memory, eventLog } = this.#parts;
    const { event } = checked;
    const { eventId } = event;
    const { served, unread, elsewhere } = ofOthers.get(event) ?? {};
    const isUnloggedElsewhere = elsewhere?.isUnlogged ?? false;
    if (checked.kind === "known") {
      return this.#duplicate(event, await checked.known.acceptedAtMs, isUnloggedElsewhere);
    }
    const { pointer, atMs, rankingId: named, user } = checked;
    // It may have come meanwhile in another request, or be there twice in this one.
    const known = memory.events.find(eventId, event);
    if (known !== undefined) {
      if (!known.isSame) throw conflict(eventId, pointer);
      return this.#duplicate(event, await known.acceptedAtMs, isUnloggedElsewhere);
    }

    if (unread !== undefined) throw unread;
    const accepted = Promise.withResolvers<number>();
    let attribution: Attribution | undefined;
    if (user === undefined) {
      requireShown({ ...event, rankingId: named }, pointer, this.#parts, elsewhere?.lookup);
    } else attribution = this.#unranked.attribute({ ...event, user, atMs }, served);
    const rankingId = attribution?.rankingId ?? named;
    memory.events.begin(eventId, event, accepted.promise);
    // It may become the negative of a later event that names no ranking.
    memory.items.add(event.item);
    const recordNow = () =>
      actionRecord({ ...event, rankingId }, atMs, memory.acceptanceClock.nextMs());
    const outcome = {
      event,
      accepted,
      pointer,
      isDuplicate: false,
      isLoggedByOther: isLoggedByOther(rankingId, this.#parts),
    };
    if (attribution !== undefined && needsRanking(attribution)) {
      this.#appendLater(attribution, recordNow, outcome);
    } else {
      const partition = presentPartition(rankingId, eventLog);
      const added = Object.assign(outcome, { record: recordNow() });
      const group = pending.get(partition);
      if (group === undefined) pending.set(partition, [added]);
      else group.push(added);
    }
    const unlogged = isUnloggedElsewhere || isUnlogged(rankingId, this.#parts);
    const note = noteOn(this.#parts, event, attribution, { rankingId, atMs, unlogged });
    const acceptedAtMs = await accepted.promise;
    if (outcome.isDuplicate) return this.#duplicate(event, acceptedAtMs, isUnloggedElsewhere);
    return {
      eventId,
      status: "accepted",
      acceptedAtMs,
      ...(attribution?.kind === "shown" && { rankingId }),
      ...(unlogged && { unlogged }),
      ...(note !== undefined && { note }),
    };
  }

  /** The client may have had no answer before: it is told again what is not learned from. */
  #duplicate(
    { eventId, rankingId }: EventRequest,
    acceptedAtMs: number,
    isUnloggedElsewhere: boolean,
  ): Taken {
    const unlogged = isUnloggedElsewhere ||
      rankingId !== undefined && isUnlogged(rankingId, this.#parts);
    const note = unlogged && { unlogged, note: unloggedNote };
    return { eventId, status: "duplicate", acceptedAtMs, ...note };
  }

  /**
   * Appends an event when the ranking that it needs is made: together with the ranking's record, or
   * after the event of which the ranking was made.
   */
  #appendLater(
    attribution: NeededRanking,
    recordNow: () => ActionRecord,
    outcome: Omit<NewEvent, "record">,
  ): void {
    const { accepted } = outcome;
    const append = async () => {
      const made = attribution.kind === "made"
        ? { impression: await attribution.impression }
        : await attribution.logged;
      const added = Object.assign(outcome, { record: recordNow() }, made);
      const partition = presentPartition(attribution.rankingId, this.#parts.eventLog);
      await this.#append(partition, [added]);
    };
    const appended = append().catch(accepted.reject).then(async () => {
      await accepted.promise;
      if (attribution.kind === "made" && outcome.isDuplicate) throw madeElsewhere();
    });
    this.#unranked.follow(attribution, appended);
  }

  /** Appends each partition's events in one call and settles their promises. */
  append({ pending }: Pick<EventsOfRequest, "pending">): void {
    for (const [partition, group] of pending) {
      this.#append(partition, group).catch((error) =>
        group.forEach(({ accepted }) => accepted.reject(error))
      );
    }
  }

  /** Appends events of one partition, or of the partitions that have its rankings by now. */
  async #append(partition: number, group: readonly NewEvent[]): Promise<void> {
    try {
      await this.#appendTo(partition, group);
    } catch (error) {
      if (!(error instanceof SealedPartitionError)) throw error;
      // The refused append has taken nothing, and the log knows the present partitions.
      const { eventLog } = this.#parts;
      const partitionNow = ({ record }: NewEvent) => presentPartition(record.rankingId, eventLog);
      this.append({ pending: Map.groupBy(group, partitionNow) });
    }
  }

  async #appendTo(partition: number, group: readonly NewEvent[]): Promise<void> {
    const { eventLog, memory, sharedRankings } = this.#parts;
    if (eventLog.appendOnce === undefined) {
      const records = group.flatMap(({ impression, record }) => {
        const action = encodeEvent(record);
        return impression === undefined ? [action] : [impression, action];
      });
      await eventLog.append(partition, records);
      for (const event of group) this.#accept(partition, event);
      return;
    }
    const records = group.map(onceRecord);
    const needed = group.flatMap(({ isLoggedByOther, record }) =>
      isLoggedByOther ? record.rankingId : []
    );
    const outcomes = sharedRankings === undefined || needed.length === 0
      ? await eventLog.appendOnce(partition, records)
      : await sharedRankings.appendOnce(partition, records, needed);
    group.forEach((event, i) => {
      const { accepted, record, pointer } = event;
      const outcome = outcomes[i];
      const { acceptedAtMs } = outcome;
      if (outcome.kind === "appended") {
        memory.acceptanceClock.resumeAfter(acceptedAtMs);
        event.record = { ...record, acceptedAtMs };
        return this.#accept(partition, event);
      }
      if (!outcome.isSame) return accepted.reject(conflict(record.eventId, pointer));
      event.isDuplicate = true;
      accepted.resolve(acceptedAtMs);
    });
  }

  #accept(partition: number, { accepted, record }: NewEvent): void {
    this.#parts.markWriter?.accepted(partition, record);
    this.#parts.console?.activity.accepted(record);
    accepted.resolve(record.acceptedAtMs);
  }
}

/** A ranking that the log must have before, or with, an event. */
type NeededRanking =
  | Extract<Attribution, { readonly kind: "made" }>
  | Extract<Attribution, { readonly kind: "shown" }> & { readonly logged: Promise<void> };

function needsRanking(attribution: Attribution): attribution is NeededRanking {
  switch (attribution.kind) {
    case "made":
      return true;
    case "shown":
      return attribution.logged !== undefined;
    case "none":
      return false;
    default:
      return attribution satisfies never;
  }
}

/**
 * The record of an event, and before it the ranking that is made of it: where another gateway has
 * accepted the event, the log has that gateway's ranking and gets none.
 */
function onceRecord({ record, event, impression }: NewEvent): OnceRecord {
  return {
    id: record.eventId,
    before: impression,
    bytes: encodeStampable(record),
    content: contentText(event),
    acceptedAtMs: record.acceptedAtMs,
    endsWithTime: true,
  };
}

function actionRecord(
  event: EventRequest & Pick<ActionRecord, "rankingId">,
  atMs: number,
  acceptedAtMs: number,
): ActionRecord {
  return {
    kind: "action",
    eventId: event.eventId,
    rankingId: event.rankingId,
    ...(event.user !== undefined && { user: event.user }),
    item: event.item,
    action: event.action,
    ...(event.value !== undefined && { value: event.value }),
    atMs,
    acceptedAtMs,
  };
}
