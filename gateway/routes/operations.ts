/**
 * Endpoints for operators and probes: liveness, readiness and metrics.
 */
import { isOfServer } from "../../mesh/ports/event_log.ts";
import type { Endpoint } from "../endpoint.ts";
import { HealthWarnings } from "../health_warnings.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import type { Readiness } from "../readiness.ts";
import { liveSchema, type ReadyAnswer, readySchema } from "../schemas/health.ts";
import { SharedAnswer } from "../shared_answer.ts";
import { TextResponse } from "../text_response.ts";

/**
 * Time that `/health/ready` waits for the ranker and the trainers, ms: less than the second after
 * which probes commonly give up.
 */
const READY_BUDGET_MS = 500;

/** Answers of `/health/ready` and `/metrics` are shared for this long, ms. */
const SHARED_MS = 1000;

/** The answer of `/health/ready`, shared by requests that come within a second. */
export function sharedReadyAnswer(
  parts: GatewayParts,
  readiness: Readiness,
): SharedAnswer<ReadyAnswer> {
  const warnings = new HealthWarnings(parts);
  return new SharedAnswer(
    parts.clock,
    SHARED_MS,
    () => readyAnswer(parts, readiness, warnings),
  );
}

export function operationsEndpoints(
  parts: GatewayParts,
  ready: SharedAnswer<ReadyAnswer>,
): Endpoint[] {
  const { clock } = parts;
  const metrics = new SharedAnswer(clock, SHARED_MS, parts.metricsText);
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
      handle: () => TextResponse.json({ status: "live" }),
    },
    {
      method: "get",
      path: "/health/ready",
      operationId: "ready",
      summary: "Can it rank?",
      tag: "Operations",
      guarded: false,
      answers: {
        200: {
          description: "The server can rank. Warnings say what is given up.",
          schema: readySchema,
        },
      },
      problems: ["not-ready"],
      handle: async () => TextResponse.json(await ready.get()),
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
        return context.body(await metrics.get(), 200, {
          "content-type": "text/plain; version=0.0.4; charset=utf-8",
        });
      },
    },
  ];
}

async function readyAnswer(
  parts: GatewayParts,
  readiness: Readiness,
  warnings: HealthWarnings,
): Promise<ReadyAnswer> {
  const current = warnings.current(READY_BUDGET_MS);
  const { modelVersion, learnedThroughMs, shardsAway } = await readiness.check(READY_BUDGET_MS)
    .catch((error) => {
      if (error instanceof ProblemError) throw error;
      throw new ProblemError("not-ready", `The ranker does not answer: ${error.message}`, {
        cause: error,
      });
    });
  requireLog(parts);
  parts.memory.acceptanceClock.resumeAfter(learnedThroughMs);
  return {
    status: "ready",
    modelVersion,
    learnedThroughMs,
    warnings: [...warnings.shardsAway(shardsAway), ...await current],
  };
}

/**
 * Requires an event log that takes records: without it neither rankings nor events are answered. A
 * log whose server is away refuses events alone, which is a warning: were it not ready, a load
 * balancer would leave out every gateway that can still rank.
 *
 * @throws {ProblemError} `not-ready`.
 */
function requireLog({ eventLog }: GatewayParts): void {
  const refusal = eventLog.refusal();
  if (refusal === undefined || isOfServer(refusal)) return;
  throw new ProblemError(
    "not-ready",
    `Neither rankings nor events are taken: ${refusal.message}`,
    { cause: refusal },
  );
}
