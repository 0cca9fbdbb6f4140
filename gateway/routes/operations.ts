/**
 * Endpoints for operators and probes: liveness, readiness and metrics.
 */
import type { Endpoint } from "../endpoint.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import type { Readiness } from "../readiness.ts";
import { liveSchema, readySchema } from "../schemas/health.ts";

/**
 * Time that `/health/ready` waits for the ranker and the trainers, ms: less than the second after
 * which probes commonly give up.
 */
const READY_BUDGET_MS = 500;

export function operationsEndpoints(parts: GatewayParts, readiness: Readiness): Endpoint[] {
  return [
    {
      method: "get",
      path: "/health/live",
      operationId: "live",
      summary: "Is the process alive?",
      tag: "Operations",
      guarded: false,
      answers: { 200: { description: "The process is alive.", schema: liveSchema } },
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
      answers: {
        200: { description: "The server can rank and takes events.", schema: readySchema },
      },
      problems: ["not-ready"],
      async handle(context) {
        const stopped = learningStopped(parts);
        const { modelVersion, learnedThroughMs } = await readiness.check(READY_BUDGET_MS)
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
        200: {
          description: "Metrics in Prometheus' text format.",
          contentType: "text/plain; version=0.0.4",
        },
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

/**
 * Requires an event log that takes records: without it neither rankings nor events are answered.
 *
 * @throws {ProblemError} `not-ready`.
 */
function requireLog({ eventLog }: GatewayParts): void {
  const refusal = eventLog.refusal();
  if (refusal === undefined) return;
  throw new ProblemError(
    "not-ready",
    `Neither rankings nor events are taken: ${refusal.message}`,
    { cause: refusal },
  );
}

/**
 * The reason why learning has stopped; undefined while it goes on. A trainer or joiner that does
 * not answer is busy or restarting and has not stopped.
 */
async function learningStopped(
  { exampleLog, joiner, trainers = [] }: GatewayParts,
): Promise<string | undefined> {
  const budget = { budgetMs: READY_BUDGET_MS };
  const question = { kind: "getStatus" } as const;
  const reasons = await Promise.all([
    ...trainers.map((trainer) =>
      trainer.ask(question, budget).then(({ diverged }) => diverged, () => undefined)
    ),
    joiner?.ask(question, budget).then(({ warning }) => warning, () => undefined),
  ]);
  const refusal = exampleLog?.refusal();
  return reasons.find((reason) => reason !== undefined) ??
    (refusal && `No new examples reach the trainers: ${refusal.message}`);
}
