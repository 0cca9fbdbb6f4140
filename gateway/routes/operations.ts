/**
 * What operators and probes ask: is it alive, can it rank, how is it doing.
 */
import type { Endpoint } from "../endpoint.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import type { Readiness } from "../readiness.ts";
import { liveSchema, readySchema } from "../schemas/health.ts";

/** A probe waits this long for the ranker and the trainers, ms: less than the second after which probes commonly give up. */
const readyBudgetMs = 500;

export function operationsEndpoints(parts: GatewayParts, readiness: Readiness): Endpoint[] {
  return [
    {
      method: "get",
      path: "/health/live",
      operationId: "live",
      summary: "Is the process alive?",
      tag: "Operations",
      guarded: false,
      answers: { 200: { description: "It is.", schema: liveSchema } },
      problems: [],
      handle: (context) => context.json({ status: "live" }),
    },
    {
      method: "get",
      path: "/health/ready",
      operationId: "ready",
      summary: "Can it rank?",
      tag: "Operations",
      guarded: false,
      answers: { 200: { description: "It can.", schema: readySchema } },
      problems: ["not-ready"],
      async handle(context) {
        const stopped = learningStopped(parts);
        const { modelVersion, learnedThroughMs } = await readiness.check(readyBudgetMs)
          .catch((error) => {
            if (error instanceof ProblemError) throw error;
            throw new ProblemError("not-ready", `The ranker does not answer: ${error.message}`, {
              cause: error,
            });
          });
        requireLog(parts);
        const warning = await stopped;
        return context.json({
          status: "ready",
          modelVersion,
          learnedThroughMs,
          ...(warning !== undefined && { warning }),
        });
      },
    },
    {
      method: "get",
      path: "/metrics",
      operationId: "metrics",
      summary: "Metrics of all actors, for Prometheus",
      tag: "Operations",
      guarded: false,
      answers: {
        200: { description: "Prometheus' text format.", contentType: "text/plain; version=0.0.4" },
      },
      problems: [],
      async handle(context) {
        return context.body(await parts.metricsText(), 200, {
          "content-type": "text/plain; version=0.0.4; charset=utf-8",
        });
      },
    },
  ];
}

/** A ranking is answered once its impression is in the event log, so a log that refuses means that none can be. */
function requireLog({ eventLog }: GatewayParts): void {
  const refusal = eventLog.refusal();
  if (refusal === undefined) return;
  throw new ProblemError(
    "not-ready",
    `Neither rankings nor events are taken: ${refusal.message}`,
    { cause: refusal },
  );
}

/** Why nothing is learned any more. A trainer that is busy or starting again has not stopped: serving does not need it. */
async function learningStopped(
  { exampleLog, trainers = [] }: GatewayParts,
): Promise<string | undefined> {
  const reasons = await Promise.all(
    trainers.map((trainer) =>
      trainer.ask({ kind: "getStatus" }, { budgetMs: readyBudgetMs })
        .then(({ diverged }) => diverged, () => undefined)
    ),
  );
  const refusal = exampleLog?.refusal();
  return reasons.find((reason) => reason !== undefined) ??
    (refusal && `No new examples reach the trainers: ${refusal.message}`);
}
