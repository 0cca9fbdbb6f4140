/**
 * Makes the OpenAPI 3.1 document from the endpoints and from the schemas that validate requests,
 * so that the document and the validation cannot differ.
 */
import { z } from "zod";
import type { Answer, Endpoint } from "./endpoint.ts";
import { type ProblemKind, problems } from "./problems.ts";
import { problemSchema } from "./schemas/problem.ts";
import { namedSchemas } from "./schemas/registry.ts";

type Json = Record<string, unknown>;

/** Problems that any endpoint may answer with. */
const problemsEverywhere: readonly ProblemKind[] = ["malformed-request", "internal-error"];
const problemsWhereGuarded: readonly ProblemKind[] = ["unauthorized", "overloaded"];
const problemsWhereBody: readonly ProblemKind[] = [
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
        "Ranks candidates, and trains on the events that report what users did with them. " +
        "Every error is application/problem+json (RFC 9457).",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The server that answered with this document." }],
    tags: [
      { name: "Ranking", description: "Rank candidates, then report events on the items shown." },
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
    // The empty requirement is for servers without configured keys.
    security: endpoint.guarded ? [{ bearer: [] }, { apiKey: [] }, {}] : [],
    ...((endpoint.parameters || endpoint.query) && {
      parameters: [
        ...parametersOf(endpoint.parameters, "path"),
        ...parametersOf(endpoint.query, "query"),
      ],
    }),
    ...(endpoint.body && {
      requestBody: {
        required: true,
        content: { "application/json": media(endpoint.body, endpoint.example) },
      },
    }),
    responses: { ...answers(endpoint), ...problemResponses(endpoint) },
  };
}

/** Parameters of the path, which are required, or of the query, which are optional. */
function parametersOf(schema: z.ZodObject | undefined, place: "path" | "query"): Json[] {
  return Object.entries(schema?.shape ?? {}).map(([name, shape]) => {
    const { description, ...rest } = inline(shape as z.ZodType);
    return { name, in: place, required: place === "path", description, schema: rest };
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

/** The problems by status. Kinds that share a status differ in `type`. */
function problemResponses(endpoint: Endpoint): Json {
  const kinds = new Set([
    ...endpoint.problems,
    ...(endpoint.body ? problemsWhereBody : []),
    ...(endpoint.parameters || endpoint.query
      ? ["malformed-request", "invalid-request"] as const
      : []),
    ...(endpoint.guarded ? problemsWhereGuarded : []),
    ...problemsEverywhere,
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

/** A named schema as a reference, and an example where OpenAPI clients look for it. */
function media(schema: z.ZodType, replacement?: unknown): Json {
  const name = namedSchemas.get(schema)?.id;
  const [first] = z.globalRegistry.get(schema)?.examples as unknown[] | undefined ?? [];
  const example = replacement ?? first;
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

/** Drops `$schema`, OpenAPI 3.1's default, and `$id`, which the key in `schemas` replaces. */
function withoutDialect({ $schema: _dialect, $id: _id, ...schema }: Json): Json {
  return schema;
}
