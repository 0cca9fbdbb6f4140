/**
 * Ranks the visits of a block by the real ranker, all at once.
 */
import type { Rank, Ranking } from "../../../actors/ranker/protocol.ts";
import type { RunningMesh } from "../../../server/compose.ts";

/** Visits between two waits for the trainer: ten minutes, less than the shortest window. */
export const BLOCK_VISITS = 20;
export const ASK_BUDGET = { budgetMs: 60_000 };

/** A visit that is ranked. */
export interface RankedVisit {
  readonly user: string;
  readonly atMs: number;
  readonly candidates: readonly { readonly id: string; readonly category: string }[];
}

/**
 * The rankings of a block; their ids are `r` and the number of the visit.
 *
 * @param begin Number of the first visit.
 */
export function rankBlock(
  mesh: RunningMesh,
  block: readonly RankedVisit[],
  begin: number,
  request: Pick<Rank, "limit" | "rules" | "awaitShown">,
): Promise<Ranking[]> {
  return Promise.all(
    block.map(({ user, atMs, candidates }, i) =>
      mesh.ranker.ask<"rank">({
        kind: "rank",
        user,
        context: {},
        atMs,
        candidates: candidates.map(({ id, category }) => ({ id, fields: { category } })),
        explain: false,
        rankingId: `r${begin + i}`,
        ...request,
      }, ASK_BUDGET)
    ),
  );
}
