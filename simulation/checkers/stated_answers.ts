/**
 * Every HTTP answer is one that the API documents, and the server is never at fault by itself.
 *
 *     ∀ answer:        its status is documented; no problem of the kind "internal-error"
 *     ∀ answer ≥ 500:  a fault is active, or ended less than RECOVERY_MS ago
 *     ∀ ranking:       its scores are finite numbers, best first
 */
import type { Fault } from "../plan/fault.ts";
import type { Checker, CheckerContext } from "./checker.ts";

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

export function statedAnswers(context: CheckerContext): Checker {
  let wellFromMs = RECOVERY_MS;
  return {
    name: "stated-answers",
    fault(fault) {
      wellFromMs = Math.max(wellFromMs, context.nowMs() + lengthMs(fault) + RECOVERY_MS);
    },
    actorGone() {
      wellFromMs = Math.max(wellFromMs, context.nowMs() + RECOVERY_MS);
    },
    replied({ method, path, status, body }) {
      const request = `${method} ${path}`;
      if (status === 0 || STATUSES.includes(status)) {
        if (status === 200 && rankings.includes(path)) checkRanking(body, context);
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

function lengthMs(fault: Fault): number {
  return ("forMs" in fault ? fault.forMs : 0) + ("downMs" in fault ? fault.downMs : 0);
}

function checkRanking(body: unknown, context: CheckerContext): void {
  const { items } = body as { readonly items: readonly { readonly score: number }[] };
  items.forEach(({ score }, i) => {
    if (!Number.isFinite(score)) context.fail(`a score is ${score}`);
    if (i > 0 && score > items[i - 1].score) {
      context.fail("a ranking is not in the order of scores");
    }
  });
}
