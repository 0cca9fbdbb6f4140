/**
 * Asks the ranker for rankings, remembers them, and turns them into answers: shared by the routes
 * that rank.
 */
import type {
  HistoryRule,
  Rank,
  Ranking,
  RankingMessage,
  Recommend,
  RecommendSimilar,
} from "../../actors/ranker/protocol.ts";
import { AskCancelledError } from "../../mesh/runtime/errors.ts";
import type { CancelSignal } from "../../mesh/runtime/cancel_signal.ts";
import { RankingExistsError, UNLOGGED_ITEM } from "../../mesh/ports/shared_rankings.ts";
import type { Counter } from "../../mesh/ports/telemetry.ts";
import { isFeatureTypeError } from "../attributes/attribute_types.ts";
import type { GatewayContext } from "../endpoint.ts";
import { budgetMs, elapsedMs, withinDeadline } from "../middleware/deadline.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import type { Readiness } from "../readiness.ts";

/** Problems of each route that ranks. */
export const rankingProblems = [
  "ranking-exists",
  "timestamp-ahead",
  "not-ready",
  "unavailable",
  "log-full",
  "deadline-exceeded",
] as const;

export class RankingCalls {
  readonly #parts: GatewayParts;
  readonly #readiness: Readiness;
  readonly #itemsCold: Counter;
  /** By ids that clients chose; each resolves when its ranking is remembered or has failed. */
  readonly #inProgress = new Map<string, Promise<void>>();

  constructor(parts: GatewayParts, readiness: Readiness) {
    this.#parts = parts;
    this.#readiness = readiness;
    this.#itemsCold = parts.telemetry.counter("cairn_rank_items_cold_total", {
      help: "Items returned of which nothing is learned yet.",
    });
  }

  /**
   * Asks the ranker and remembers the ranking. A client's own ranking id is used once: a request
   * whose id is in progress waits, and takes the id over where that ranking fails or is cancelled.
   *
   * @throws {RankingExistsError} The id was used, here or at another gateway.
   * @throws {ProblemError} `deadline-exceeded`, or `unavailable` for scores that are not finite.
   */
  async ask(context: GatewayContext, message: RankingMessage): Promise<Ranking> {
    const { rankingId } = message;
    if (rankingId === undefined) return await this.#rank(context, message);
    const { clock, memory } = this.#parts;
    for (let other; (other = this.#inProgress.get(rankingId)) !== undefined;) {
      await withinDeadline(context, clock, other, `"${rankingId}" is still being ranked.`);
    }
    if (memory.rankings.has(rankingId)) throw new RankingExistsError(rankingId);
    const ranking = this.#rank(context, message);
    const release = () => void this.#inProgress.delete(rankingId);
    this.#inProgress.set(rankingId, ranking.then(release, release));
    return await ranking;
  }

  async #rank(context: GatewayContext, message: RankingMessage): Promise<Ranking> {
    const { memory } = this.#parts;
    const ranking = await this.#ask(context, message);
    if (ranking.unlogged) memory.rankingsUnlogged++;
    const shownByClient = message.kind === "rank" ? message.shown : undefined;
    const shown = shownByClient?.map((id) => ({ id })) ?? ranking.items;
    if (message.learn !== false && shown.length > 0) {
      const { user, atMs } = message;
      // An id that no client can send marks the ranking as unlogged.
      const marked = ranking.unlogged ? [...shown, { id: UNLOGGED_ITEM }] : shown;
      memory.rankings.remember(ranking.rankingId, marked, atMs);
      this.#parts.markWriter?.ranked(atMs);
      memory.userRankings.remember(user, { rankingId: ranking.rankingId, atMs });
    }
    requireFiniteScores(ranking);
    // With several gateways it may be the time of an event that another one accepted. An event
    // after this answer gets a later one, so the client can compare both.
    memory.acceptanceClock.resumeAfter(ranking.learnedThroughMs);
    this.#countCold(ranking);
    this.#parts.console?.activity.ranked(
      message.user,
      ranking,
      elapsedMs(context, this.#parts),
      context.get("trace"),
    );
    return ranking;
  }

  async #ask(context: GatewayContext, message: RankingMessage): Promise<Ranking> {
    const { clock, ranker } = this.#parts;
    const askedMs = clock.monotonicMs();
    try {
      await this.#readiness.require(budgetMs(context, clock));
      const options = {
        budgetMs: budgetMs(context, clock),
        trace: context.get("trace"),
        signals: [context.req.raw.signal as CancelSignal],
      };
      switch (message.kind) {
        case "rank":
          return await ranker.ask<Rank["kind"]>(message, options);
        case "recommend":
          return await ranker.ask<Recommend["kind"]>(message, options);
        case "recommendSimilar":
          return await ranker.ask<RecommendSimilar["kind"]>(message, options);
        default:
          return message satisfies never;
      }
    } catch (error) {
      // A client that hangs up or sends a wrong request says nothing about the ranker, so it causes
      // no status question.
      if (!isOfClient(error)) this.#readiness.doubt();
      throw error;
    } finally {
      context.get("load").ranked(clock.monotonicMs() - askedMs);
    }
  }

  #countCold({ items }: Ranking): void {
    let cold = 0;
    for (const item of items) if (item.cold) cold++;
    this.#itemsCold.add(cold);
  }
}

/**
 * The body of an answer.
 *
 * @param noteOnEmpty The note on an answer without items.
 */
export function rankingBody(
  ranking: Ranking,
  noteOnAttributes: string | undefined,
  noteOnEmpty: () => string,
) {
  const notes = [
    ...(ranking.items.length === 0 ? [noteOnEmpty()] : []),
    ...(ranking.rulesSkipped ? [noteOnSkipped(ranking.rulesSkipped)] : []),
    ...(noteOnAttributes === undefined ? [] : [noteOnAttributes]),
  ];
  return {
    rankingId: ranking.rankingId,
    modelVersion: ranking.modelVersion,
    learnedThroughMs: ranking.learnedThroughMs,
    items: ranking.items,
    ...(ranking.unlogged && { unlogged: true as const }),
    ...(ranking.removed && { removed: ranking.removed }),
    ...(notes.length > 0 && { note: notes.join(" ") }),
  };
}

function noteOnSkipped(rules: readonly HistoryRule[]): string {
  const subject = rules.length === 1
    ? `The rule ${rules[0]} was`
    : `The rules ${rules.join(" and ")} were`;
  return `${subject} not applied, because the user's history could not be read in time: items that ` +
    "the user has seen or acted on may be among these.";
}

function isOfClient(error: unknown): boolean {
  const { name } = error as Error;
  return isFeatureTypeError(error) || error instanceof AskCancelledError ||
    name === "UnknownItemError" || name === "RecommendOffError" || name === "RankingExistsError";
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
