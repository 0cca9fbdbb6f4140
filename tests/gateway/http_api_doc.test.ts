/**
 * docs/http_api.md lists the endpoints and problem types that exist.
 */
import assert from "node:assert/strict";
import { problems } from "../../gateway/problems.ts";
import { gatewayFixture, json } from "./fixture.ts";

const text = await Deno.readTextFile(new URL("../../docs/http_api.md", import.meta.url));

Deno.test("the reference lists every problem type under its status", () => {
  const rows = text.split("\n").filter((line) => /^\| \d{3} /.test(line));
  const listed = rows.flatMap((row) => {
    const [, status, types] = row.split("|");
    return [...types.matchAll(/`([a-z-]+)`/g)].map(([, type]) => `${status.trim()} ${type}`);
  });
  const existing = Object.entries(problems).map(([type, { status }]) => `${status} ${type}`);
  assert.deepEqual(listed.sort(), existing.sort());
});

Deno.test("the reference lists every endpoint", async () => {
  const { paths } = await json(gatewayFixture().app.request("/openapi.json"));
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods as object)) {
      const name = `\`${method.toUpperCase()} ${path}\``;
      assert.ok(text.includes(name), `${name} is missing`);
    }
  }
});
