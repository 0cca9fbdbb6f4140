/**
 * `POST /v1/recommend` and `POST /v1/similar`: rankings of stored items that the server finds.
 */
import { type RankingMessage, RecommendOffError } from "../../actors/ranker/protocol.ts";
import { rankProblem } from "../attributes/attribute_types.ts";
import { noteOnAttributes } from "../attributes/known_attributes.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import type { GatewayOptions } from "../options.ts";
import { describe, FieldErrors } from "../parsing/field_errors.ts";
import { BodyReader } from "../parsing/request_body.ts";
import { requestRules } from "../parsing/request_rules.ts";
import { TimestampParser } from "../parsing/timestamps.ts";
import { fieldProblem } from "../parsing/validation.ts";
import type { GatewayParts } from "../parts.ts";
import {
  type RecommendRequest,
  recommendRequestSchema,
  type SimilarRequest,
  similarRequestSchema,
} from "../schemas/recommend.ts";
import { TextResponse } from "../text_response.ts";
import { rankingSchema } from "../schemas/rank.ts";
import { noteOnNothingFound } from "./empty_ranking_notes.ts";
import { rankingBody, type RankingCalls, rankingProblems } from "./ranking_calls.ts";

/** Items of an answer to a request without `limit`. */
const LIMIT_DEFAULT = 20;

type RecommendOptions = NonNullable<GatewayOptions["recommend"]>;

export function recommendEndpoints(parts: GatewayParts, calls: RankingCalls): Endpoint[] {
  const { attributes, clock, options } = parts;
  const body = new BodyReader(clock, options);
  const timestamps = new TimestampParser(clock, options.timestampAheadMsMax);

  function requireRecommend(): RecommendOptions {
    if (options.recommend === undefined) throw new RecommendOffError();
    return options.recommend;
  }

  /** The fields that both requests share. */
  function sharedOf(request: RecommendRequest | SimilarRequest, { candidates }: RecommendOptions) {
    const { rules: own, scenario, context, userFields } = request;
    const rules = requestRules({ rules: own, scenario, context, userFields }, options);
    return {
      user: request.user ?? "",
      context: request.context ?? {},
      ...(request.userFields && { userFields: request.userFields }),
      atMs: timestamps.parse(request.timestamp),
      limit: request.limit ?? LIMIT_DEFAULT,
      candidates: Math.max(request.candidates ?? candidates, request.limit ?? 0),
      explain: request.explain ?? false,
      ...(request.learn !== undefined && { learn: request.learn }),
      ...(request.awaitShown !== undefined && { awaitShown: request.awaitShown }),
      ...(rules && { rules }),
      ...(request.rankingId !== undefined && { rankingId: request.rankingId }),
    };
  }

  async function answer(
    context: GatewayContext,
    request: RecommendRequest | SimilarRequest,
    message: RankingMessage,
  ): Promise<Response> {
    const asRank = { ...request, user: request.user ?? "", candidates: [] };
    const ranking = await calls.ask(context, message).catch((error) => {
      throw rankProblem(error, asRank, parts.checkProfile);
    });
    const note = attributes && noteOnAttributes(asRank, attributes);
    return TextResponse.json(
      rankingBody(ranking, note, () => noteOnNothingFound(parts.profiles.count("item"))),
    );
  }

  async function recommend(context: GatewayContext): Promise<Response> {
    const recommended = requireRecommend();
    const request = await body.read(context, recommendRequestSchema);
    const sources = [...new Set(request.sources ?? recommended.sources)];
    const unordered = sources.find((source) => !recommended.ordered.includes(source));
    if (unordered !== undefined) {
      const errors = new FieldErrors();
      const detail = `${describe(request.sources)}; leave ${unordered} out, or set ` +
        `recommend.${unordered}By in cairn.yaml`;
      errors.add(["sources"], detail);
      throw fieldProblem(errors);
    }
    const shared = sharedOf(request, recommended);
    return await answer(context, request, { kind: "recommend", sources, ...shared });
  }

  async function similar(context: GatewayContext): Promise<Response> {
    const recommended = requireRecommend();
    const request = await body.read(context, similarRequestSchema);
    const { item, orderBy = "similarity" } = request;
    const shared = sharedOf(request, recommended);
    return await answer(context, request, { kind: "recommendSimilar", item, orderBy, ...shared });
  }

  return [
    {
      method: "post",
      path: "/v1/recommend",
      operationId: "recommend",
      summary: "Recommend stored items to a user",
      description:
        "Finds candidates among all stored items, ranks them as POST /v1/rank does, and " +
        "logs the ranking. Events on it are sent in the same way.",
      tag: "Ranking",
      guarded: true,
      body: recommendRequestSchema,
      answers: { 200: { description: "The items, best first.", schema: rankingSchema } },
      problems: ["recommend-off", ...rankingProblems],
      handle: recommend,
    },
    {
      method: "post",
      path: "/v1/similar",
      operationId: "similar",
      summary: "Find stored items that are similar to an item",
      description: "The items whose vectors have the greatest cosines with the item's.",
      tag: "Ranking",
      guarded: true,
      body: similarRequestSchema,
      answers: { 200: { description: "The items, best first.", schema: rankingSchema } },
      problems: ["recommend-off", "unknown-item", ...rankingProblems],
      handle: similar,
    },
  ];
}
