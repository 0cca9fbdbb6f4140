/**
 * The HTTP API as a function from its parts to a Hono app. It opens no port: tests call
 * `app.request(…)`, the server passes `app.fetch` to its listener.
 *
 * Hono finds the endpoint of a request; {@link Pipeline.answer} has the steps that every request
 * takes. Anything thrown on the way becomes a problem in one function, {@link problemOf}.
 */
import { Hono } from "hono";
import type { Endpoint, GatewayContext, GatewayEnv } from "./endpoint.ts";
import { FailureLog } from "./failure_log.ts";
import { apiKeys } from "./middleware/api_keys.ts";
import { BodyBudget } from "./middleware/body_budget.ts";
import { requireHost } from "./middleware/host_check.ts";
import { LoadShedding } from "./middleware/load_shedding.ts";
import { type MeasuredRoute, requestMetrics } from "./middleware/request_metrics.ts";
import { RequestTraces } from "./middleware/trace_context.ts";
import { noTracing, outwardContext, type TraceContext, traceIdOf } from "../mesh/ports/tracing.ts";
import { AskCancelledError } from "../mesh/runtime/errors.ts";
import type { GatewayParts } from "./parts.ts";
import { ProblemError, problemOf } from "./problems.ts";
import { Readiness } from "./readiness.ts";
import { consolePages } from "./routes/console_pages.ts";
import { consoleStream } from "./routes/console_stream.ts";
import { rankingStoryEndpoints } from "./routes/ranking_story.ts";
import { documentationEndpoints } from "./routes/documentation.ts";
import { erasureEndpoint } from "./routes/erasures.ts";
import { eventsEndpoint } from "./routes/events.ts";
import { operationsEndpoints, sharedReadyAnswer } from "./routes/operations.ts";
import { profileEndpoints } from "./routes/profiles.ts";
import { rankEndpoint } from "./routes/rank.ts";
import { RankingCalls } from "./routes/ranking_calls.ts";
import { recommendEndpoints } from "./routes/recommend.ts";
import { shownEndpoint } from "./routes/shown.ts";
import { TextResponse } from "./text_response.ts";
import { meantName } from "../structures/nearest_name.ts";

export function createGateway(parts: GatewayParts): Hono<GatewayEnv> {
  const { clock, options, telemetry } = parts;
  const failures = new FailureLog(telemetry, clock);
  const readiness = new Readiness(parts.ranker);
  const ready = sharedReadyAnswer(parts, readiness);
  const calls = new RankingCalls(parts, readiness);
  const described = [
    rankEndpoint(parts, calls),
    ...recommendEndpoints(parts, calls),
    shownEndpoint(parts),
    eventsEndpoint(parts, failures),
    ...profileEndpoints(parts, failures),
    erasureEndpoint(parts),
    ...operationsEndpoints(parts, ready),
    ...(parts.console
      ? [
        consoleStream(parts.console, parts, () => ready.get()),
        ...rankingStoryEndpoints(parts.console, parts),
      ]
      : []),
  ];
  const endpoints = [
    ...described,
    ...documentationEndpoints(described, options.docsPage),
    ...(parts.console ? consolePages() : []),
  ];

  const app = new Hono<GatewayEnv>();
  const pipeline = new Pipeline(parts, failures);
  const metricsOf = requestMetrics(telemetry);
  for (const endpoint of endpoints) {
    const method = endpoint.method.toUpperCase();
    const route = metricsOf(method, endpoint.path);
    const handle = endpoint.guarded
      ? (context: GatewayContext) => pipeline.guarded(endpoint, context)
      : (context: GatewayContext) => endpoint.handle(context);
    app.on(method, honoPath(endpoint.path), (context) => pipeline.answer(context, route, handle));
  }
  const unmatched = metricsOf("other", "none");
  app.notFound((context) =>
    pipeline.answer(context, unmatched, () => {
      throw unmatchedProblem(context, endpoints);
    })
  );
  // Errors before the pipeline: Hono could not match the request.
  app.onError((error, context) => pipeline.refuse(error, context));
  return app;
}

/** Answers a request whose client has closed the connection: for metrics and traces alone. */
const hungUp = { status: 499, fields: [], text: "" };

/** The steps between a request and the handler of its endpoint. */
class Pipeline {
  readonly #parts: GatewayParts;
  readonly #failures: FailureLog;
  readonly #traces: RequestTraces;
  readonly #requireKey: (headers: Headers) => void;
  readonly #load: LoadShedding;
  readonly #bodies: BodyBudget;

  constructor(parts: GatewayParts, failures: FailureLog) {
    const { clock, options, random, telemetry, tracing = noTracing } = parts;
    this.#parts = parts;
    this.#failures = failures;
    this.#traces = new RequestTraces(
      random,
      tracing,
      options.tracedShare,
      (route) => parts.console?.follows(route) ?? false,
    );
    this.#requireKey = apiKeys(options.apiKeys);
    this.#load = new LoadShedding(telemetry, clock, options);
    this.#bodies = new BodyBudget(options.bodiesBytesMax);
  }

  /** Answers a request: trace, deadline, Host header, handler; then metrics. */
  async answer(
    context: GatewayContext,
    route: MeasuredRoute,
    handle: Endpoint["handle"],
  ): Promise<Response> {
    const { clock, options } = this.#parts;
    const startMs = clock.monotonicMs();
    const span = this.#traces.begin(context, route.method, route.route);
    context.set("deadlineAtMs", startMs + options.deadlineMs);
    let response: Response;
    try {
      requireHost(context.req.raw.headers);
      response = await handle(context);
    } catch (error) {
      response = error instanceof AskCancelledError
        ? TextResponse.of(hungUp)
        : this.refuse(error, context);
    }
    TextResponse.addHeader(response, "traceparent", outwardContext(context.get("trace")));
    route.answered(response.status, clock.monotonicMs() - startMs);
    span?.setAttributes({ "http.response.status_code": response.status });
    if (response.status >= 500) span?.fail(`status ${response.status}`);
    span?.end();
    return response;
  }

  /** Runs the handler of a guarded endpoint: API key, load shedding, budget of body bytes. */
  async guarded(endpoint: Endpoint, context: GatewayContext): Promise<Response> {
    this.#requireKey(context.req.raw.headers);
    this.#load.enter();
    const hold = this.#bodies.hold();
    context.set("bodyHold", hold);
    context.set("load", this.#load);
    try {
      return await endpoint.handle(context);
    } finally {
      hold.release();
      this.#load.leave();
    }
  }

  /** The problem that the error is, as an answer; failures of the server are logged. */
  refuse(error: unknown, context: GatewayContext): Response {
    const problem = problemOf(error);
    if (problem.status >= 500) this.#failures.write(context, problem);
    const { method, path } = context.req;
    const { status, kind, detail } = problem;
    this.#parts.console?.activity.refused({ method, path, status, kind, detail });
    // An error before the pipeline has no trace.
    const trace: TraceContext | undefined = context.get("trace");
    return problem.response(trace && traceIdOf(trace));
  }
}

/** A list of alternatives in words: "GET, PUT or DELETE". */
const alternatives = new Intl.ListFormat("en-GB", { type: "disjunction" });

/** The problem of a request that no endpoint matches: an unknown path, or a wrong method. */
function unmatchedProblem(context: GatewayContext, endpoints: readonly Endpoint[]): ProblemError {
  const { method, path } = context.req;
  const matching = endpoints.filter((endpoint) => pathPattern(endpoint.path).test(path));
  if (matching.length === 0) {
    const meant = meantName(path, endpoints.map((endpoint) => endpoint.path));
    const instead = meant === undefined ? "" : ` Did you mean ${meant}?`;
    return new ProblemError(
      "unknown-path",
      `There is nothing at ${path}.${instead} See /openapi.json for the paths of this server.`,
    );
  }
  const allowed = matching.map((endpoint) => endpoint.method.toUpperCase());
  return new ProblemError(
    "method-not-allowed",
    `${path} does not take ${method}; send ${alternatives.format(allowed)}.`,
    { headers: { allow: allowed.join(", ") } },
  );
}

/** `/v1/items/{id}` in Hono's notation, `/v1/items/:id`. */
function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`);
}
