/**
 * `/openapi.json` against the gateway's endpoints, schemas and answers.
 */
import assert from "node:assert/strict";
import { gatewayFixture, json } from "./fixture.ts";

// deno-lint-ignore no-explicit-any -- an OpenAPI document is walked as JSON
type Json = any;

const { app, post, rank } = gatewayFixture();
const document: Json = await json(app.request("/openapi.json"));

function resolve(schema: Json): Json {
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.replace("#/components/schemas/", "");
  assert.ok(name in document.components.schemas, `${schema.$ref} leads nowhere`);
  return document.components.schemas[name];
}

function* references(value: Json): Iterable<string> {
  if (typeof value !== "object" || value === null) return;
  if (typeof value.$ref === "string") yield value.$ref;
  for (const part of Object.values(value)) yield* references(part);
}

Deno.test("the document is OpenAPI 3.1 and lists every operation", () => {
  assert.equal(document.openapi, "3.1.0");
  assert.deepEqual(
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods as Json).map((method) => `${method} ${path}`)
    ),
    [
      "post /v1/rank",
      "post /v1/recommend",
      "post /v1/similar",
      "post /v1/shown",
      "post /v1/events",
      "post /v1/items",
      "get /v1/items",
      "get /v1/items.jsonl",
      "put /v1/items/{id}",
      "patch /v1/items/{id}",
      "get /v1/items/{id}",
      "delete /v1/items/{id}",
      "post /v1/users",
      "get /v1/users",
      "get /v1/users.jsonl",
      "put /v1/users/{id}",
      "patch /v1/users/{id}",
      "get /v1/users/{id}",
      "delete /v1/users/{id}",
      "get /v1/erasures/{id}",
      "get /health/live",
      "get /health/ready",
      "get /metrics",
    ],
  );
});

Deno.test("every reference resolves, and no schema has a dialect or id of its own", () => {
  const all = [...references(document)];
  assert.ok(all.length > 10);
  for (const reference of all) resolve({ $ref: reference });
  assert.doesNotMatch(JSON.stringify(document), /"\$(id|schema|defs)"/);
});

Deno.test("every operation lists its problems with the problem schema", () => {
  for (const [path, methods] of Object.entries<Json>(document.paths)) {
    for (const [method, operation] of Object.entries<Json>(methods)) {
      const answers = Object.entries<Json>(operation.responses)
        .filter(([status]) => Number(status) >= 400);
      assert.ok(answers.length > 0, `${method} ${path}`);
      for (const [, { content }] of answers) {
        assert.deepEqual(Object.keys(content), ["application/problem+json"]);
        assert.equal(
          content["application/problem+json"].schema.$ref,
          "#/components/schemas/Problem",
        );
      }
    }
  }
  const responses = document.paths["/v1/rank"].post.responses;
  assert.deepEqual(Object.keys(responses), [
    "200",
    "400",
    "401",
    "408",
    "409",
    "413",
    "415",
    "422",
    "429",
    "500",
    "503",
    "504",
  ]);
  assert.ok("Retry-After" in responses["429"].headers);
});

Deno.test("request schemas state the limits that validation enforces", () => {
  const schema = resolve(
    document.paths["/v1/rank"].post.requestBody.content["application/json"].schema,
  );
  assert.deepEqual(schema.required, ["user", "candidates"]);
  assert.equal(schema.additionalProperties, false);
  assert.equal(schema.properties.candidates.maxItems, 500);
  assert.equal(schema.properties.limit.maximum, 500);
  assert.equal(resolve(schema.properties.context).maxProperties, 256);
});

Deno.test("every example of a request body is accepted", async () => {
  let examples = 0;
  await rank("r-1", ["item-1"]);
  for (const [path, methods] of Object.entries<Json>(document.paths)) {
    for (const [method, operation] of Object.entries<Json>(methods)) {
      const body = operation.requestBody?.content["application/json"];
      if (!body) continue;
      assert.ok(body.example !== undefined, `${method} ${path} has no example`);
      const response = method === "post"
        ? await post(path, body.example)
        : await app.request(path.replace("{id}", "item-1"), {
          method: method.toUpperCase(),
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body.example),
        });
      assert.ok(response.status < 300, await response.text());
      examples++;
    }
  }
  assert.equal(examples, 11);
});
