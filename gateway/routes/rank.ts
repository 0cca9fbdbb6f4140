/**
 * `POST /v1/rank`: one ranking, from a client's candidates to ordered items.
 */
import type { Rank, Ranking } from "../../actors/ranker/protocol.ts";
import { isFeatureTypeError, rankProblem } from "../attributes/attribute_types.ts";
import { exampleRequest, noteOnAttributes } from "../attributes/known_attributes.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import { budgetMs, elapsedMs } from "../middleware/deadline.ts";
import { parseRankText } from "../parsing/rank_request.ts";
import { requestRules } from "../parsing/request_rules.ts";
import { BodyReader } from "../parsing/request_body.ts";
import { TimestampParser } from "../parsing/timestamps.ts";
import type { RuleSet } from "../../rules/rule_set.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import type { Readiness } from "../readiness.ts";
import { rankingSchema, type RankRequest, rankRequestSchema } from "../schemas/rank.ts";
import { TextResponse } from "../text_response.ts";

export function rankEndpoint(parts: GatewayParts, readiness: Readiness): Endpoint {
  const { attributes, clock, memory, options, ranker, telemetry } = parts;
  const body = new BodyReader(clock, options);
  const timestamps = new TimestampParser(clock, options.timestampAheadMsMax);
  const itemsCold = telemetry.counter("cairn_rank_items_cold_total", {
    help: "Items returned of which nothing is learned yet.",
  });

  async function rank(context: GatewayContext): Promise<Response> {
    const request = parseRankText(await body.readText(context));
    const rules = requestRules(request, options);
    const message = rankMessage(request, timestamps.parse(request.timestamp), rules);
    const ranking = await askOnce(context, message).catch((error) => {
      throw rankProblem(error, request);
    });
    countCold(ranking);
    parts.console?.activity.ranked(request.user, ranking, elapsedMs(context, parts));
    const note = attributes && noteOnAttributes(request, attributes);
    return TextResponse.json({
      rankingId: ranking.rankingId,
      modelVersion: ranking.modelVersion,
      learnedThroughMs: ranking.learnedThroughMs,
      items: ranking.items,
      ...(ranking.removed && { removed: ranking.removed }),
      ...(note !== undefined && { note }),
    });
  }

  /** Asks the ranker and remembers the ranking. A client's own ranking id is used once. */
  async function askOnce(context: GatewayContext, message: Rank): Promise<Ranking> {
    const { rankingId } = message;
    if (rankingId !== undefined && !memory.rankings.reserve(rankingId)) {
      throw new ProblemError(
        "ranking-exists",
        `Cannot rank as "${rankingId}": a ranking of this id was served or is in progress. ` +
          "Leave rankingId out, or send a new one.",
      );
    }
    try {
      const ranking = await ask(context, message);
      const shown = message.shown?.map((id) => ({ id })) ?? ranking.items;
      if (message.learn !== false && shown.length > 0) {
        memory.rankings.remember(ranking.rankingId, shown);
      }
      requireFiniteScores(ranking);
      memory.acceptanceClock.resumeAfter(ranking.learnedThroughMs);
      return ranking;
    } finally {
      if (rankingId !== undefined) memory.rankings.release(rankingId);
    }
  }

  async function ask(context: GatewayContext, message: Rank): Promise<Ranking> {
    try {
      await readiness.require(budgetMs(context, clock));
      return await ranker.ask(message, {
        budgetMs: budgetMs(context, clock),
        traceId: context.get("traceId"),
      });
    } catch (error) {
      // A client's wrong attribute says nothing about the ranker, so it causes no status question.
      if (!isFeatureTypeError(error)) readiness.doubt();
      throw error;
    }
  }

  function countCold({ items }: Ranking): void {
    let cold = 0;
    for (const item of items) if (item.cold) cold++;
    itemsCold.add(cold);
  }

  return {
    method: "post",
    path: "/v1/rank",
    operationId: "rank",
    summary: "Order candidates for a user",
    description:
      "Items without stored attributes or learned features are ranked too, and flagged as cold.",
    tag: "Ranking",
    guarded: true,
    body: rankRequestSchema,
    ...(attributes && { example: exampleRequest(attributes) }),
    answers: { 200: { description: "The items, best first.", schema: rankingSchema } },
    problems: [
      "ranking-exists",
      "timestamp-ahead",
      "not-ready",
      "unavailable",
      "log-full",
      "deadline-exceeded",
    ],
    handle: rank,
  };
}

/** JSON would write a score that is not finite as null. */
function requireFiniteScores({ items }: Ranking): void {
  if (items.every(({ score }) => Number.isFinite(score))) return;
  throw new ProblemError(
    "unavailable",
    "The model's scores are not finite. The trainers go back to their last sound state; " +
      "GET /health/ready says more.",
  );
}

function rankMessage(request: RankRequest, atMs: number, rules: RuleSet | undefined): Rank {
  return {
    kind: "rank",
    user: request.user,
    context: request.context ?? {},
    ...(request.userFields && { userFields: request.userFields }),
    atMs,
    candidates: request.candidates as Rank["candidates"],
    limit: Math.min(request.limit ?? request.candidates.length, request.candidates.length),
    explain: request.explain ?? false,
    ...(request.learn !== undefined && { learn: request.learn }),
    ...(request.shown && { shown: request.shown }),
    ...(rules && { rules }),
    ...(request.rankingId !== undefined && { rankingId: request.rankingId }),
  };
}
