/**
 * Checks of an event beyond its schema, and the problems of events that are refused.
 */
import type { ActionRecord } from "../../records/event_record.ts";
import type { RankingLookup } from "../../mesh/ports/shared_rankings.ts";
import type { KnownEvent } from "../memory/recent_events.ts";
import type { GatewayOptions } from "../options.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import type { EventRequest } from "../schemas/events.ts";

/** The ranking that an event names, or its user. */
type RankingOrUser =
  | { readonly rankingId: string; readonly user?: undefined }
  | { readonly rankingId: ""; readonly user: string };

/** An event of a request that is valid by itself. */
type ValidEvent = RankingOrUser & {
  readonly kind: "valid";
  readonly event: EventRequest;
  /** Path of the event in the body. */
  readonly pointer: string;
  /** Its timestamp, ms; by default when the request came. */
  readonly atMs: number;
};

/** An event of a request, once it is checked by itself. */
export type CheckedEvent =
  | ValidEvent
  /** One that this gateway has accepted, or is accepting. */
  | { readonly kind: "known"; readonly event: EventRequest; readonly known: KnownEvent }
  | { readonly kind: "refused"; readonly problem: ProblemError };

/** @throws {ProblemError} `invalid-request` where an event names both or neither. */
export function rankingOrUserOf(
  { eventId, rankingId, user }: EventRequest,
  base: string,
): RankingOrUser {
  if (rankingId !== undefined && user === undefined) return { rankingId };
  if (rankingId === undefined && user !== undefined) return { rankingId: "", user };
  const detail = rankingId === undefined
    ? "is missing; send the rankingId of the answer that contained the item, or the user of an " +
      "event that no ranking caused"
    : "comes with a user; send rankingId, or user if no ranking caused the event";
  throw new ProblemError(
    "invalid-request",
    `Cannot accept event "${eventId}": rankingId ${detail}.`,
    { errors: [{ pointer: `${base}/rankingId`, detail }] },
  );
}

/** @throws {ProblemError} `invalid-request`. */
export function requireInBounds(
  { eventId, action, value }: EventRequest,
  base: string,
  { valueBounds }: GatewayOptions,
): void {
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

/**
 * Requires that a ranking which the gateways remember showed the item.
 *
 * @param elsewhere As another gateway remembers it, where one was asked.
 * @throws {ProblemError} `unknown-ranking` or `item-not-shown`.
 */
export function requireShown(
  { eventId, rankingId, item }: Pick<ActionRecord, "eventId" | "rankingId" | "item">,
  base: string,
  { memory, options, sharedRankings }: GatewayParts,
  elsewhere: RankingLookup = "unknown-ranking",
): void {
  if (options.unknownRankings === "accept") return;
  let shown = memory.rankings.check(rankingId, item);
  if (shown === "unknown-ranking") shown = sharedRankings?.check(rankingId, item) ?? shown;
  if (shown === "unknown-ranking") shown = elsewhere;
  if (shown === "shown") return;
  const unknown = shown === "unknown-ranking";
  if (unknown && !memory.isComplete) return;
  const field = unknown ? "rankingId" : "item";
  const value = unknown ? rankingId : item;
  const reason = unknown ? "is not a ranking that is remembered" : "was not shown by that ranking";
  const send = unknown
    ? "send the rankingId of a recent answer that was not made with learn: false, or the user " +
      "instead of the rankingId"
    : `send an item that ranking "${rankingId}" showed, or the user instead of the rankingId`;
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

/** The problem of an event id that was used for another event. */
export function conflict(eventId: string, base: string): ProblemError {
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

/** Refuses events on a ranking that another gateway has made under another id. */
export function madeElsewhere(): ProblemError {
  return new ProblemError(
    "not-ready",
    "Cannot accept the event yet: another gateway has made the ranking that it belongs to. Send " +
      "it again with the same eventId.",
  );
}
