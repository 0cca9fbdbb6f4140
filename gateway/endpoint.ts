/**
 * An endpoint is one method of one path, described once: the same object routes requests, validates them, and
 * makes the endpoint's part of `/openapi.json`.
 */
import type { Context } from "hono";
import type { z } from "zod";
import type { ProblemKind } from "./problems.ts";

/** What middleware leaves for handlers. */
export interface GatewayEnv {
  readonly Variables: {
    /** Monotonic ms at which the request must have been answered. */
    deadlineAtMs: number;
    /** W3C trace id, 32 hex digits. */
    traceId: string;
  };
}

export type GatewayContext = Context<GatewayEnv>;

export interface Answer {
  readonly description: string;
  /** JSON of this shape. */
  readonly schema?: z.ZodType;
  /** Of text that is not JSON. Neither = an answer without content. */
  readonly contentType?: string;
}

export interface Endpoint {
  readonly method: "get" | "post" | "put" | "delete";
  /** With parameters in braces: `/v1/items/{id}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: "Ranking" | "Profiles" | "Operations";
  /** Needs an API key where keys are configured, and counts towards the requests in flight. */
  readonly guarded: boolean;
  readonly parameters?: z.ZodObject;
  readonly body?: z.ZodType;
  /** A body that this server answers well, in place of the schema's own example. */
  readonly example?: unknown;
  readonly answers: Readonly<Record<number, Answer>>;
  /** What it may say no with, besides what every endpoint may. */
  readonly problems: readonly ProblemKind[];
  handle(context: GatewayContext): Response | Promise<Response>;
}
