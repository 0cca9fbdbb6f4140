/**
 * Every HTTP answer is one that the API documents, and the server is never at fault by itself.
 *
 *     ∀ answer:        its status is documented; no problem of the kind "internal-error"
 *     ∀ answer ≥ 500:  a fault is active, or ended less than RECOVERY_MS ago
 *     ∀ ranking:       its scores are finite numbers; without rules of the request best first, but
 *                      for the items that a rule about new items may move
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { NewItems } from "../../rules/rule_set.ts";
import type { Fault } from "../plan/fault.ts";
import { unconfirmedMsOf } from "../plan/mesh_fault.ts";
import type { CheckerContext, CheckerFactory } from "./checker.ts";

/** A server is well again this long after a fault, ms: a restart of every actor, with backoff. */
export const RECOVERY_MS = 30_000;

const STATUSES: readonly number[] = [
  200,
  201,
  202,
  204,
  207,
  400,
  401,
  404,
  405,
  408,
  409,
  411,
  413,
  415,
  422,
  429,
];
const rankings: readonly string[] = ["/v1/rank", "/v1/recommend"];
const STATUSES_IN_FAULTS: readonly number[] = [503, 504];

/** @param configuration Requests without rules have those of its default scenario. */
export function statedAnswers(configuration: () => CairnConfiguration): CheckerFactory {
  return (context) => checkerOf(context, configuration);
}

function checkerOf(
  context: CheckerContext,
  configuration: () => CairnConfiguration,
): ReturnType<CheckerFactory> {
  let wellFromMs = RECOVERY_MS;
  return {
    name: "stated-answers",
    fault(fault) {
      wellFromMs = Math.max(wellFromMs, context.nowMs() + lengthMs(fault) + RECOVERY_MS);
    },
    actorGone() {
      wellFromMs = Math.max(wellFromMs, context.nowMs() + RECOVERY_MS);
    },
    replied({ method, path, status, body, requestBody }) {
      const request = `${method} ${path}`;
      if (status === 0 || STATUSES.includes(status)) {
        if (status !== 200 || !rankings.includes(path)) return;
        const { scenario, scenarios } = configuration().gateway;
        const scores = scoresOf(body, context);
        const { rules } = requestBody as { readonly rules?: unknown };
        if (rules !== undefined) return;
        const newItems = scenario === undefined ? undefined : scenarios[scenario].newItems;
        checkOrder(scores, newItems, context);
        return;
      }
      const detail = (body as { readonly detail?: string } | undefined)?.detail ?? "";
      if (!STATUSES_IN_FAULTS.includes(status)) {
        context.fail(`${request} was answered ${status}: ${detail}`);
      } else if (context.nowMs() > wellFromMs) {
        context.fail(`${request} was answered ${status} while nothing was wrong: ${detail}`);
      }
    },
  };
}

/** Time for which a fault lasts, ms. */
export function lengthMs(fault: Fault): number {
  if (fault.kind === "failOverRedis") return unconfirmedMsOf(fault);
  return ("forMs" in fault ? fault.forMs : 0) + ("downMs" in fault ? fault.downMs : 0);
}

function scoresOf(body: unknown, context: CheckerContext): number[] {
  const { items } = body as { readonly items: readonly { readonly score: number }[] };
  const scores = items.map(({ score }) => score);
  const wrong = scores.find((score) => !Number.isFinite(score));
  if (wrong !== undefined) context.fail(`a score is ${wrong}`);
  return scores;
}

function checkOrder(
  scores: readonly number[],
  newItems: NewItems | undefined,
  context: CheckerContext,
): void {
  const { share, top = scores.length } = newItems ?? { share: 0 };
  const movedMax = newItems === undefined
    ? 0
    : Math.floor(share * Math.min(top, scores.length)) + 1;
  if (scores.length - longestFall(scores) <= movedMax) return;
  context.fail("a ranking is not in the order of scores");
}

/** Length of the longest part of a list, not necessarily adjacent, that never rises. */
function longestFall(scores: readonly number[]): number {
  const lengths: number[] = [];
  scores.forEach((score, i) => {
    const before = lengths.filter((_, j) => scores[j] >= score);
    lengths[i] = 1 + Math.max(0, ...before);
  });
  return Math.max(0, ...lengths);
}
