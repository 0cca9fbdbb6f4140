/**
 * The HTTP API as a function from its parts to a Hono app. It opens no port: tests call
 * `app.request(…)`, the server passes `app.fetch` to its listener.
 *
 * Middleware order: trace context, metrics, Host header, API key, load shedding, budget of body
 * bytes, deadline, handler. Anything thrown on the way becomes a problem in one function,
 * {@link problemOf}.
 */
import { Hono } from "hono";
import type { MiddlewareHandler } from "hono";
import type { Endpoint, GatewayContext, GatewayEnv } from "./endpoint.ts";
import { FailureLog } from "./failure_log.ts";
import { apiKeys } from "./middleware/api_keys.ts";
import { bodyBudget } from "./middleware/body_budget.ts";
import { deadline } from "./middleware/deadline.ts";
import { hostCheck } from "./middleware/host_check.ts";
import { loadShedding } from "./middleware/load_shedding.ts";
import { requestMetrics } from "./middleware/request_metrics.ts";
import { traceContext } from "./middleware/trace_context.ts";
import type { GatewayParts } from "./parts.ts";
import { ProblemError, problemOf } from "./problems.ts";
import { Readiness } from "./readiness.ts";
import { documentationEndpoints } from "./routes/documentation.ts";
import { eventsEndpoint } from "./routes/events.ts";
import { operationsEndpoints } from "./routes/operations.ts";
import { profileEndpoints } from "./routes/profiles.ts";
import { rankEndpoint } from "./routes/rank.ts";

export function createGateway(parts: GatewayParts): Hono<GatewayEnv> {
  const { clock, options, telemetry } = parts;
  const failures = new FailureLog(telemetry, clock);
  const readiness = new Readiness(parts.ranker);
  const described = [
    rankEndpoint(parts, readiness),
    eventsEndpoint(parts, failures),
    ...profileEndpoints(parts, failures),
    ...operationsEndpoints(parts, readiness),
  ];
  const endpoints = [...described, ...documentationEndpoints(described, options.docsPage)];

  const app = new Hono<GatewayEnv>();
  const metricsOf = requestMetrics(telemetry, clock);
  const trace = traceContext(parts.random);
  const guards: MiddlewareHandler<GatewayEnv>[] = [
    apiKeys(options.apiKeys),
    loadShedding(telemetry, options.requestsInFlightMax),
    bodyBudget(options.bodiesBytesMax),
  ];
  const time = deadline(clock, options.deadlineMs);
  for (const endpoint of endpoints) {
    app.on(
      endpoint.method.toUpperCase(),
      honoPath(endpoint.path),
      trace,
      metricsOf(endpoint.method.toUpperCase(), endpoint.path),
      hostCheck,
      ...(endpoint.guarded ? guards : []),
      time,
      (context) => endpoint.handle(context),
    );
  }
  const metricsOfUnmatched = metricsOf("other", "none");
  app.notFound(async (context) => {
    // The middleware of routes did not run for this path; trace and count it here.
    await trace(context, async () => {});
    const problem = unmatchedProblem(context, endpoints);
    await metricsOfUnmatched(context, () => {
      context.res = respond(context, problem);
      return Promise.resolve();
    });
    return context.res;
  });
  app.onError((error, context) => {
    const problem = problemOf(error);
    if (problem.status >= 500) failures.write(context, problem);
    return respond(context, problem);
  });
  return app;
}

function respond(context: GatewayContext, problem: ProblemError): Response {
  return problem.response(context.newResponse(null).headers, context.get("traceId"));
}

/** The problem of a request that no endpoint matches: an unknown path, or a wrong method. */
function unmatchedProblem(context: GatewayContext, endpoints: readonly Endpoint[]): ProblemError {
  const { method, path } = context.req;
  const matching = endpoints.filter((endpoint) => pathPattern(endpoint.path).test(path));
  if (matching.length === 0) {
    return new ProblemError(
      "unknown-path",
      `There is nothing at ${path}. See /openapi.json for the paths of this server.`,
    );
  }
  const allowed = matching.map((endpoint) => endpoint.method.toUpperCase());
  return new ProblemError(
    "method-not-allowed",
    `${path} does not take ${method}; send ${allowed.join(" or ")}.`,
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
