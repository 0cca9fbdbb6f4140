/**
 * `POST /v1/rank`: one ranking, from a client's candidates to ordered items.
 */
import type { Rank } from "../../actors/ranker/protocol.ts";
import type { RuleSet } from "../../rules/rule_set.ts";
import { rankProblem } from "../attributes/attribute_types.ts";
import { exampleRequest, noteOnAttributes } from "../attributes/known_attributes.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import { parseRankText } from "../parsing/rank_request.ts";
import { requestRules } from "../parsing/request_rules.ts";
import { BodyReader } from "../parsing/request_body.ts";
import { TimestampParser } from "../parsing/timestamps.ts";
import type { GatewayParts } from "../parts.ts";
import { rankingSchema, type RankRequest, rankRequestSchema } from "../schemas/rank.ts";
import { TextResponse } from "../text_response.ts";
import { noteOnLeftOut } from "./empty_ranking_notes.ts";
import { rankingBody, type RankingCalls, rankingProblems } from "./ranking_calls.ts";

export function rankEndpoint(parts: GatewayParts, calls: RankingCalls): Endpoint {
  const { attributes, clock, options } = parts;
  const body = new BodyReader(clock, options);
  const timestamps = new TimestampParser(clock, options.timestampAheadMsMax);

  async function rank(context: GatewayContext): Promise<Response> {
    const request = parseRankText(await body.readText(context));
    const rules = requestRules(request, options);
    const message = rankMessage(request, timestamps.parse(request.timestamp), rules);
    const ranking = await calls.ask(context, message).catch((error) => {
      throw rankProblem(error, request, parts.checkProfile);
    });
    const note = attributes && noteOnAttributes(request, attributes);
    return TextResponse.json(
      rankingBody(ranking, note, () => noteOnLeftOut(request.candidates.length)),
    );
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
    problems: rankingProblems,
    handle: rank,
  };
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
    ...(request.awaitShown !== undefined && { awaitShown: request.awaitShown }),
    ...(request.shown && { shown: request.shown }),
    ...(rules && { rules }),
    ...(request.rankingId !== undefined && { rankingId: request.rankingId }),
  };
}
