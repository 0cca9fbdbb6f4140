/**
 * `POST /v1/shown`: a report of the items of a ranking that were really shown. It is durable before
 * it is answered, and may be sent again: the reports of a ranking add up.
 */
import { encodeEvent, type ShownRecord } from "../../records/event_record.ts";
import { appendToRanking } from "../../records/ranking_partition.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import { budgetMs, withinDeadline } from "../middleware/deadline.ts";
import { FieldErrors } from "../parsing/field_errors.ts";
import { BodyReader } from "../parsing/request_body.ts";
import { TimestampParser } from "../parsing/timestamps.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import { shownAnswerSchema, type ShownRequest, shownRequestSchema } from "../schemas/shown.ts";
import { checkElsewhere } from "./rankings_of_others.ts";
import { isLoggedByOther, isUnlogged, unloggedReason } from "./unlogged_rankings.ts";
import { TextResponse } from "../text_response.ts";
import { inWords } from "./event_notes.ts";

export function shownEndpoint(parts: GatewayParts): Endpoint {
  const { clock, eventLog, options, telemetry } = parts;
  const body = new BodyReader(clock, options);
  const timestamps = new TimestampParser(clock, options.timestampAheadMsMax);
  const taken = telemetry.counter("cairn_shown_reports_total", {
    help: "Reports of shown items that were taken.",
  });

  async function post(context: GatewayContext): Promise<Response> {
    const { rankingId, items, timestamp } = await body.read(context, shownRequestSchema);
    const atMs = timestamps.parse(timestamp);
    const shown = [...new Set(items)];
    const isUnloggedElsewhere = await requireRanked(
      { rankingId, items },
      parts,
      () => budgetMs(context, clock),
    );
    const record: ShownRecord = {
      kind: "shown",
      rankingId,
      items: shown,
      atMs,
      acceptedAtMs: clock.nowMs(),
    };
    await withinDeadline(
      context,
      clock,
      appendToRanking(eventLog, rankingId, appendOf(record)),
      "The event log did not confirm in time, so whether the report was taken is unknown. Send it " +
        "again: a report that comes twice counts once.",
    );
    taken.add(1);
    const note = isUnloggedElsewhere || isUnlogged(rankingId, parts)
      ? `It changes nothing: ${unloggedReason}`
      : noteOnLateness(parts, rankingId, atMs);
    return TextResponse.json({
      rankingId,
      items: shown.length,
      ...(note !== undefined && { note }),
    });
  }

  function appendOf(record: ShownRecord): (partition: number) => Promise<unknown> {
    const { rankingId, acceptedAtMs } = record;
    const { sharedRankings } = parts;
    const bytes = encodeEvent(record);
    if (sharedRankings === undefined || !isLoggedByOther(rankingId, parts)) {
      return (partition) => eventLog.append(partition, [bytes]);
    }
    const once = { bytes, content: "", acceptedAtMs, endsWithTime: false };
    return (partition) => sharedRankings.appendOnce(partition, [once], [rankingId]);
  }

  return {
    method: "post",
    path: "/v1/shown",
    operationId: "postShown",
    summary: "Report the items of a ranking that were shown",
    description:
      "For pages that know only after the ranking which of its items they show, and in which order. " +
      "Nothing is learned from the other items, unless an event names them. Reports of a ranking " +
      "add up, so that a repeated one changes nothing. A report counts until the window of the " +
      "ranking closes (joiner.window).",
    tag: "Ranking",
    guarded: true,
    body: shownRequestSchema,
    answers: {
      200: { description: "The report is durable.", schema: shownAnswerSchema },
    },
    problems: [
      "unknown-ranking",
      "item-not-shown",
      "timestamp-ahead",
      "log-full",
      "unavailable",
      "deadline-exceeded",
    ],
    handle: post,
  };
}

/**
 * Requires a ranking that the gateways remember and that has the items.
 *
 * @param leftMs Time that the request has left, ms; throws where it has none.
 * @returns Whether other gateways alone remember it, as one that the event log did not take.
 * @throws {ProblemError} `unknown-ranking`, or `item-not-shown` with each wrong item.
 * @throws {RankingsUnreadError} Whether there is such a ranking is not known at the moment.
 */
async function requireRanked(
  { rankingId, items }: ShownRequest,
  parts: GatewayParts,
  leftMs: () => number,
): Promise<boolean> {
  const { memory, options, sharedRankings } = parts;
  if (options.unknownRankings === "accept") return false;
  const isHere = memory.rankings.has(rankingId);
  const unread = isHere ? undefined : await sharedRankings?.load([rankingId]);
  const reason = unread?.get(rankingId);
  if (reason !== undefined) throw reason;
  const rankings = isHere ? memory.rankings : sharedRankings ?? memory.rankings;
  const named = items.map((item) => ({ rankingId, item }));
  const elsewhere = await checkElsewhere(named, parts, leftMs);
  let isUnloggedElsewhere = false;
  const errors = new FieldErrors();
  for (const [index, item] of items.entries()) {
    const other = elsewhere.get(named[index]);
    if (other instanceof Error) throw other;
    isUnloggedElsewhere ||= other?.isUnlogged ?? false;
    const found = other?.lookup ?? rankings.check(rankingId, item);
    if (found === "unknown-ranking") {
      // It may be one of the log that is not read back yet: the joiner decides.
      if (!memory.isComplete) return false;
      throw unknownRanking(rankingId);
    }
    if (found === "shown" || errors.isFull) continue;
    errors.add(
      ["items", index],
      `is "${item}", which is not in the answer of that ranking; report items of the answer, ` +
        "or of the list that the ranking had as shown",
    );
  }
  if (errors.count === 0) return isUnloggedElsewhere;
  throw new ProblemError(
    "item-not-shown",
    `Cannot take the report on ranking "${rankingId}": it names items that are not in the ` +
      "ranking's answer.",
    { errors: errors.list() },
  );
}

function unknownRanking(rankingId: string): ProblemError {
  const reason = "is not a ranking that is remembered";
  return new ProblemError(
    "unknown-ranking",
    `Cannot take the report: rankingId "${rankingId}" ${reason}.`,
    {
      errors: [{
        pointer: "#/rankingId",
        detail: `is "${rankingId}", which ${reason}; send the rankingId of a recent answer that ` +
          "was not made with learn: false",
      }],
    },
  );
}

/** The note on a report that comes after its ranking's examples were decided. */
function noteOnLateness(
  { memory, options }: GatewayParts,
  rankingId: string,
  atMs: number,
): string | undefined {
  const rankedAtMs = memory.rankings.timeOf(rankingId);
  if (rankedAtMs === undefined || atMs - rankedAtMs < options.windowMs) return undefined;
  const [after, within] = [atMs - rankedAtMs, options.windowMs].map(inWords);
  return `It changes nothing: it came ${after} after its ranking, which was learned from after ` +
    `${within} (joiner.window).`;
}
