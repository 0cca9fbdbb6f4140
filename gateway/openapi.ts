/**
 * Makes the OpenAPI 3.1 document from the endpoints and the very schemas that validate requests, so that it cannot
 * say anything else than what is checked.
 */
import { z } from "zod";
import type { Answer, Endpoint } from "./endpoint.ts";
import { type ProblemKind, problems } from "./problems.ts";
import { problemSchema } from "./schemas/problem.ts";
import { namedSchemas } from "./schemas/registry.ts";

type Json = Record<string, unknown>;

/** Problems that any endpoint may answer with. */
const everywhere: readonly ProblemKind[] = ["internal-error"];
const whereGuarded: readonly ProblemKind[] = ["unauthorized", "overloaded"];
const whereBody: readonly ProblemKind[] = [
  "malformed-json",
  "malformed-request",
  "body-timeout",
  "body-too-large",
  "unsupported-media-type",
  "invalid-request",
];

export function openApiDocument(endpoints: readonly Endpoint[]): Json {
  const paths: Record<string, Json> = {};
  for (const endpoint of endpoints) {
    (paths[endpoint.path] ??= {})[endpoint.method] = operation(endpoint);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Cairn",
      version: "1",
      description:
        "Rank candidates, report what users did, and the next rankings have learned from it. " +
        "Every error is application/problem+json (RFC 9457).",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    tags: [
      { name: "Ranking", description: "The loop: rank, then report events." },
      { name: "Profiles", description: "Stored attributes of items and users." },
      { name: "Operations", description: "Health, metrics and this documentation." },
    ],
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        apiKey: { type: "apiKey", in: "header", name: "X-API-Key" },
      },
    },
  };
}

function operation(endpoint: Endpoint): Json {
  return {
    operationId: endpoint.operationId,
    summary: endpoint.summary,
    ...(endpoint.description && { description: endpoint.description }),
    tags: [endpoint.tag],
    // The empty requirement stands for servers that have no keys configured.
    ...(endpoint.guarded && { security: [{ bearer: [] }, { apiKey: [] }, {}] }),
    ...(endpoint.parameters && { parameters: pathParameters(endpoint.parameters) }),
    ...(endpoint.body && {
      requestBody: {
        required: true,
        content: { "application/json": media(endpoint.body, endpoint.example) },
      },
    }),
    responses: { ...answers(endpoint), ...problemResponses(endpoint) },
  };
}

function pathParameters(schema: z.ZodObject): Json[] {
  return Object.entries(schema.shape).map(([name, shape]) => {
    const { description, ...rest } = inline(shape as z.ZodType);
    return { name, in: "path", required: true, description, schema: rest };
  });
}

function answers(endpoint: Endpoint): Json {
  return Object.fromEntries(
    Object.entries(endpoint.answers).map(([status, answer]: [string, Answer]) => [status, {
      description: answer.description,
      ...(answer.schema && { content: { "application/json": media(answer.schema) } }),
      ...(answer.contentType && {
        content: { [answer.contentType]: { schema: { type: "string" } } },
      }),
    }]),
  );
}

/** Problem kinds by status: several share one, told apart by `type`. */
function problemResponses(endpoint: Endpoint): Json {
  const kinds = new Set([
    ...endpoint.problems,
    ...(endpoint.body ? whereBody : []),
    ...(endpoint.parameters ? ["malformed-request", "invalid-request"] as const : []),
    ...(endpoint.guarded ? whereGuarded : []),
    ...everywhere,
  ]);
  const byStatus = Map.groupBy(kinds, (kind) => problems[kind].status);
  return Object.fromEntries(
    [...byStatus].sort(([a], [b]) => a - b).map(([status, kinds]) => [status, {
      description: kinds.map((kind) => `\`/problems/${kind}\`: ${problems[kind].title}.`).join(" "),
      content: { "application/problem+json": media(problemSchema) },
      ...(kinds.some((kind) => "retryAfterSeconds" in problems[kind]) && {
        headers: {
          "Retry-After": { description: "Seconds to wait.", schema: { type: "integer" } },
        },
      }),
    }]),
  );
}

/** A named schema as a reference, with its examples beside it, where clients look for them. */
function media(schema: z.ZodType, chosen?: unknown): Json {
  const name = namedSchemas.get(schema)?.id;
  const [first] = z.globalRegistry.get(schema)?.examples as unknown[] | undefined ?? [];
  const example = chosen ?? first;
  return {
    schema: name === undefined ? inline(schema) : { $ref: reference(name) },
    ...(example !== undefined && { example }),
  };
}

function reference(name: string): string {
  return `#/components/schemas/${name}`;
}

function inline(schema: z.ZodType): Json {
  return withoutDialect(z.toJSONSchema(schema, { io: "input" }) as Json);
}

function componentSchemas(): Json {
  const { schemas } = z.toJSONSchema(namedSchemas, { io: "input", uri: reference });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, withoutDialect(schema as Json)]),
  );
}

/** OpenAPI 3.1 has this dialect by default, and names schemas by their place. */
function withoutDialect({ $schema: _dialect, $id: _id, ...schema }: Json): Json {
  return schema;
}
