import assert from "node:assert/strict";
import { TextResponse } from "../../gateway/text_response.ts";

Deno.test("a text response gives its parts as they are, with added headers", async () => {
  const response = TextResponse.json({ a: 1 }, 207);
  TextResponse.addHeader(response, "x-added", "1");
  const parts = await TextResponse.partsOf(response);
  assert.deepEqual(parts, {
    status: 207,
    text: '{"a":1}',
    fields: [["content-type", "application/json"], ["x-added", "1"]],
  });
});

Deno.test("a text response is used like any response", async () => {
  const response = TextResponse.json({ a: 1 });
  TextResponse.addHeader(response, "x-before", "1");
  assert.ok(response instanceof Response);
  assert.equal(response.status, 200);
  assert.ok(response.ok && !response.bodyUsed && response.body !== null);
  assert.equal(response.headers.get("x-before"), "1");
  assert.deepEqual(await response.clone().json(), { a: 1 });
  response.headers.set("x-set", "2");
  TextResponse.addHeader(response, "x-after", "3");
  const { fields, text } = await TextResponse.partsOf(response);
  assert.equal(text, '{"a":1}');
  assert.deepEqual(new Map(fields).get("x-set"), "2", "changes to the real response count");
  assert.deepEqual(new Map(fields).get("x-after"), "3");
  assert.ok(response.bodyUsed);
  const head = new Response(null, TextResponse.json({}, 201));
  assert.equal(head.status, 201);
});

Deno.test("an ordinary response is read into its parts", async () => {
  const response = new Response("text", { status: 404, headers: { "x-a": "1" } });
  TextResponse.addHeader(response, "x-b", "2");
  const { status, fields, text } = await TextResponse.partsOf(response);
  assert.deepEqual([status, text], [404, "text"]);
  assert.deepEqual([new Map(fields).get("x-a"), new Map(fields).get("x-b")], ["1", "2"]);
});
