/**
 * An endpoint is one method of one path, described once: the same object routes its requests,
 * names the schemas that validate them, and becomes its part of `/openapi.json`.
 */
import type { Context } from "hono";
import type { z } from "zod";
import type { TraceContext } from "../mesh/ports/tracing.ts";
import type { BodyHold } from "./middleware/body_budget.ts";
import type { LoadShedding } from "./middleware/load_shedding.ts";
import type { ProblemKind } from "./problems.ts";

/** Variables that middleware sets for handlers. */
export interface GatewayEnv {
  readonly Variables: {
    /** Monotonic time by which the request must be answered, ms. */
    deadlineAtMs: number;
    /** Counts the bytes of the request's body; set for guarded endpoints. */
    bodyHold: BodyHold;
    /** Sheds requests that this process is too late for; set for guarded endpoints. */
    load: LoadShedding;
    /** The request's span, or the span of the caller's trace. */
    trace: TraceContext;
  };
}

export type GatewayContext = Context<GatewayEnv>;

/** An answer other than a problem. Without `schema` and `contentType` it has no content. */
export interface Answer {
  readonly description: string;
  /** Shape of a JSON answer. */
  readonly schema?: z.ZodType;
  /** Media type of an answer that is not JSON. */
  readonly contentType?: string;
}

export interface Endpoint {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** With parameters in braces: `/v1/items/{id}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: "Ranking" | "Profiles" | "Operations";
  /** Needs an API key where keys are configured, and counts towards `requestsInFlightMax`. */
  readonly guarded: boolean;
  readonly parameters?: z.ZodObject;
  /** Optional parameters of the query; texts, numbers and integers. */
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** An example body that suits this server's feature schema; replaces the schema's own example. */
  readonly example?: unknown;
  readonly answers: Readonly<Record<number, Answer>>;
  /** Problems of this endpoint, besides those that every endpoint may answer with. */
  readonly problems: readonly ProblemKind[];
  handle(context: GatewayContext): Response | Promise<Response>;
}
