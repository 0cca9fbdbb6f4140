/**
 * Wrong requests and their answers: status, stable type, pointer and correction. None of them
 * reaches the ranker or the log, and none is answered 500.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { badInputs, goodEvent, goodRank, requestOf } from "./bad_input_cases.ts";
import { gatewayFixture, json, startMs } from "./fixture.ts";

for (const each of badInputs) {
  Deno.test(`a wrong request is answered with its problem: ${each.name}`, async () => {
    const large = each.path?.endsWith("?large");
    const { app, rank, ranker, logged } = gatewayFixture({
      options: { bodyBytesMax: large ? 1 << 20 : 4096, apiKeys: [] },
    });
    await rank("known", ["a", "b"]);
    const keyed = each.status === 401
      ? gatewayFixture({ options: { apiKeys: ["key-one", "key-two"] } }).app
      : app;
    const response = await keyed.request(requestOf(each));
    const problem = await json(response);
    assert.equal(response.status, each.status, JSON.stringify(problem));
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.equal(problem.type, `/problems/${each.type}`);
    assert.equal(problem.status, each.status);
    assert.match(problem.detail, each.detail);
    assert.match(problem.traceId, /^[0-9a-f]{32}$/);
    if (each.errors) {
      assert.deepEqual(
        problem.errors.map(({ pointer, detail }: { pointer: string; detail: string }) =>
          `${pointer} ${detail}`
        ),
        each.errors,
      );
    }
    assert.ok((problem.errors?.length ?? 0) <= 21);
    for (const [name, value] of Object.entries(each.answerHeaders ?? {})) {
      assert.equal(response.headers.get(name), value);
    }
    assert.equal(ranker.recommended.length, 0);
    assert.equal(ranker.asked.length, 1, "only the first, good ranking reached the ranker");
    assert.deepEqual(await logged(), []);
  });
}

Deno.test("a timestamp within timestampAheadMax is accepted, because clocks differ", async () => {
  const { post, ranker } = gatewayFixture();
  assert.equal((await post("/v1/rank", { ...goodRank, timestamp: startMs + 60_000 })).status, 200);
  assert.equal(ranker.asked[0].atMs, startMs + 60_000);
});

Deno.test("attributes named like parts of Object stay plain data", async () => {
  const { app, post, ranker } = gatewayFixture();
  const text = '{"user": "u", "candidates": [{"id": "a"}], ' +
    '"context": {"constructor": "x", "toString": 3}}';
  const response = await app.request("/v1/rank", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: text,
  });
  assert.equal(response.status, 200);
  assert.deepEqual(Object.entries(ranker.asked[0].context), [
    ["constructor", "x"],
    ["toString", 3],
  ]);
  assert.equal((await post("/v1/rank", goodRank)).status, 200);
});

Deno.test("no JSON value and no mutation of a valid body causes a server error", async () => {
  const { post, rank: serve } = gatewayFixture();
  await serve("known", ["a"]);
  const mutated = (good: Record<string, unknown>) =>
    fc.tuple(fc.constantFrom(...Object.keys(good)), fc.jsonValue({ maxDepth: 3 })).map((
      [field, value],
    ) => ({ ...good, [field]: value }));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("/v1/rank", "/v1/events"),
      fc.oneof(
        fc.jsonValue({ maxDepth: 3 }),
        mutated({ ...goodRank, context: {}, limit: 1, timestamp: 0 }),
        mutated({ ...goodEvent, value: 1, timestamp: 0 }),
        fc.array(mutated(goodEvent), { maxLength: 4 }),
      ),
      async (path, body) => {
        const response = await post(path, body);
        assert.ok(response.status < 500, await response.text());
      },
    ),
    { numRuns: 400 },
  );
});

Deno.test("the answer to a list has 20 wrong fields in all, and one for each further entry", async () => {
  const { post } = gatewayFixture();
  const wrong = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`a${i}`, {}]));
  const list = Array.from({ length: 100 }, (_, i) => ({ id: `i${i}`, attributes: wrong }));
  const { profiles } = await json(post("/v1/items", list));
  const listed = profiles.map(
    ({ problem }: { problem: { errors: unknown[] } }) => problem.errors.length,
  );
  // The last error of each entry says that there are more.
  assert.deepEqual(listed, [21, ...Array(99).fill(2)]);
  assert.match(profiles[99].problem.detail, /#\/99\/attributes\/a0 is an object.*and 1 more/);
});
