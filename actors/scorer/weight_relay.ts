/**
 * The way of dense weights over many scorers: each passes them on to two others, and each of these
 * to half of the rest. So their first sender sends them once, and no scorer more than twice.
 *
 * The answer has the versions of all scorers below. One that fails takes its half with it; the
 * first sender then begins again with these.
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type { LearnedWeights } from "../trainer/protocol.ts";
import { FAILED, NOT_REACHED, type ScorerMessage } from "./protocol.ts";

/** Share of the time left that the next scorers get: their answer must come before it is over. */
const BUDGET_SHARE = 0.8;

/**
 * Passes weights on to these scorers.
 *
 * @param remainingMs Time left for the own answer, ms.
 * @returns The version that each of them serves, in their order, or FAILED or NOT_REACHED.
 */
export async function passOn(
  { weights, learnedThroughMs }: LearnedWeights,
  scorers: readonly ActorRef<ScorerMessage>[],
  remainingMs: number,
): Promise<readonly number[]> {
  const middle = Math.ceil(scorers.length / 2);
  const halves = [scorers.slice(0, middle), scorers.slice(middle)];
  const versions = await Promise.all(halves.map(async (half) => {
    if (half.length === 0) return [];
    const [next, ...rest] = half;
    const passTo = rest.map(({ address }) => address);
    try {
      const answer = await next.ask(
        { kind: "loadDenseWeights", weights, learnedThroughMs, passTo },
        { budgetMs: BUDGET_SHARE * remainingMs, bulk: true },
      );
      return answer.versions;
    } catch {
      return half.map((_, i) => i === 0 ? FAILED : NOT_REACHED);
    }
  }));
  return versions.flat();
}
