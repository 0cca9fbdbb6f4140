/**
 * `POST /v1/rank`: one ranking, from a client's candidates to ordered items.
 */
import type { Rank, Ranking } from "../../actors/ranker/protocol.ts";
import { isFeatureTypeError, rankProblem } from "../attributes/attribute_types.ts";
import { DataClock } from "../parsing/timestamps.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import { exampleRequest, noteOnAttributes } from "../attributes/known_attributes.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import { budgetMs } from "../middleware/deadline.ts";
import { Readiness } from "../readiness.ts";
import { repeatsIn } from "../parsing/repeats.ts";
import { BodyReader, validate } from "../parsing/request_body.ts";
import {
  plainCandidates,
  rankingSchema,
  type RankRequest,
  rankRequestSchema,
} from "../schemas/rank.ts";

export function rankEndpoint(parts: GatewayParts, readiness: Readiness): Endpoint {
  const { attributes, clock, memory, options, ranker, telemetry } = parts;
  const body = new BodyReader(clock, options);
  const dataClock = new DataClock(clock, options.timestampAheadMsMax);
  const itemsCold = telemetry.counter("cairn_rank_items_cold_total", {
    help: "Items returned that nothing was learned about yet.",
  });

  async function rank(context: GatewayContext): Promise<Response> {
    const request = rankRequest(await body.readJson(context));
    requireDistinct(request);
    const message = rankMessage(request, dataClock.atMs(request.timestamp));
    const ranking = await askOnce(context, message).catch((error) => {
      throw rankProblem(error, request);
    });
    memory.rankings.remember(ranking.rankingId, ranking.items);
    let cold = 0;
    for (const item of ranking.items) if (item.cold) cold++;
    itemsCold.add(cold);
    const note = attributes && noteOnAttributes(request, attributes);
    return context.json({
      rankingId: ranking.rankingId,
      modelVersion: ranking.modelVersion,
      learnedThroughMs: ranking.learnedThroughMs,
      items: ranking.items,
      ...(note !== undefined && { note }),
    });
  }

  /** Asks the ranker, holding the caller's own ranking id so that it is used once. */
  async function askOnce(context: GatewayContext, message: Rank): Promise<Ranking> {
    const { rankingId } = message;
    if (rankingId !== undefined && !memory.rankings.reserve(rankingId)) {
      throw new ProblemError(
        "ranking-exists",
        `Cannot rank as "${rankingId}": a ranking of this id was served or is being made. Leave rankingId out, or send a new one.`,
      );
    }
    try {
      await readiness.require(budgetMs(context, clock));
      return await ranker.ask(message, {
        budgetMs: budgetMs(context, clock),
        traceId: context.get("traceId"),
      });
    } catch (error) {
      // What one client sends says nothing of the ranker, and must not slow down the others.
      if (!isFeatureTypeError(error)) readiness.doubt();
      if (rankingId !== undefined) memory.rankings.release(rankingId);
      throw error;
    }
  }

  return {
    method: "post",
    path: "/v1/rank",
    operationId: "rank",
    summary: "Order candidates for a user",
    description: "Items that nothing is known about are ranked too and flagged as cold.",
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

/** @throws {ProblemError} `invalid-request` with every wrong field. */
function rankRequest(body: unknown): RankRequest {
  const candidates = plainCandidates(body);
  if (candidates === undefined) return validate(rankRequestSchema, body);
  const [first] = candidates; // stands for all of them
  return { ...validate(rankRequestSchema, { ...body as object, candidates: [first] }), candidates };
}

function rankMessage(request: RankRequest, atMs: number): Rank {
  return {
    kind: "rank",
    user: request.user,
    context: request.context ?? {},
    ...(request.userFields && { userFields: request.userFields }),
    atMs,
    candidates: request.candidates as Rank["candidates"],
    limit: Math.min(request.limit ?? request.candidates.length, request.candidates.length),
    explain: request.explain ?? false,
    ...(request.rankingId !== undefined && { rankingId: request.rankingId }),
  };
}

function requireDistinct({ candidates }: RankRequest): void {
  const repeats = repeatsIn(candidates);
  if (repeats.length === 0) return;
  const errors = repeats.map(({ place, earlier }) => ({
    pointer: `#/candidates/${place}/id`,
    detail: `repeats candidate ${earlier}, ${
      JSON.stringify(candidates[place].id)
    }; send each item once`,
  }));
  throw new ProblemError("invalid-request", `${errors[0].pointer} ${errors[0].detail}.`, {
    errors,
  });
}
