/**
 * `/v1/items` and `/v1/users` from the client's side.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { FeatureTypeError } from "../../kernels/features/errors.ts";
import { type ProfileStore, ProfileStoreUnavailableError } from "../../mesh/ports/profile_store.ts";
import { profilesAnswerSchema, profileSchema } from "../../gateway/schemas/profiles.ts";
import { gatewayFixture, json, startMs } from "./fixture.ts";

function put(app: ReturnType<typeof gatewayFixture>["app"], path: string, attributes: unknown) {
  return app.request(path, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ attributes }),
  });
}

Deno.test("the first write answers 201 and version 1, the next 200 and version 2", async () => {
  const { app, clock } = gatewayFixture();
  const first = await put(app, "/v1/items/i-1", { year: 1994 });
  assert.equal(first.status, 201);
  assert.deepEqual(await json(first), {
    id: "i-1",
    attributes: { year: 1994 },
    version: 1,
    updatedAtMs: startMs,
  });
  await clock.advance(5);
  const second = await put(app, "/v1/items/i-1", { genres: ["drama"] });
  assert.equal(second.status, 200);
  assert.deepEqual(await json(app.request("/v1/items/i-1")), {
    id: "i-1",
    attributes: { genres: ["drama"] },
    version: 2,
    updatedAtMs: startMs + 5,
  });
});

Deno.test("an item and a user of the same id have separate profiles", async () => {
  const { app } = gatewayFixture();
  await put(app, "/v1/items/x", { kind: "item" });
  await put(app, "/v1/users/x", { kind: "user" });
  assert.equal((await json(app.request("/v1/items/x"))).attributes.kind, "item");
  assert.equal((await json(app.request("/v1/users/x"))).attributes.kind, "user");
});

Deno.test("a profile that cannot be read now is a 503 for a read and a patch, not a 404", async () => {
  const { app, profiles } = gatewayFixture();
  profiles.read = () =>
    Promise.reject(new ProfileStoreUnavailableError("Redis", "it is away", "Ask again.", "read"));
  for (const method of ["GET", "PATCH"]) {
    const answer = await app.request("/v1/items/i-1", {
      method,
      ...(method === "PATCH" && {
        headers: { "content-type": "application/json" },
        body: '{"attributes":{"year":1994}}',
      }),
    });
    assert.equal(answer.status, 503, method);
    assert.equal((await json(answer)).detail, "Cannot read Redis: it is away. Ask again.");
  }
});

Deno.test("a deleted profile is gone, and deleting it again is not an error", async () => {
  const { app } = gatewayFixture();
  await put(app, "/v1/users/a%20b", { age: 30 });
  await put(app, "/v1/items/a%20b", { year: 1994 });
  for (let times = 0; times < 2; times++) {
    const response = await app.request("/v1/users/a%20b", { method: "DELETE" });
    assert.equal(response.status, 204);
    assert.equal(await response.text(), "");
    assert.equal((await app.request("/v1/users/a%20b")).status, 404);
  }
  assert.equal((await app.request("/v1/items/a%20b")).status, 200);
  assert.equal((await put(app, "/v1/users/a%20b", {})).status, 201);
});

Deno.test("a list of profiles is stored and answered in order, and a repeated id is written twice", async () => {
  const { app, post } = gatewayFixture();
  await put(app, "/v1/users/b", { age: 1 });
  const response = await post("/v1/users", [
    { id: "a", attributes: { age: 30 } },
    { id: "b", attributes: { age: 31 } },
    { id: "a", attributes: { age: 32 } },
  ]);
  assert.equal(response.status, 200);
  const answer = await json(response);
  assert.ok(profilesAnswerSchema.safeParse(answer).success);
  const stored = { status: "stored", updatedAtMs: startMs };
  assert.deepEqual(answer, {
    stored: 3,
    rejected: 0,
    profiles: [
      { id: "a", ...stored, version: 1 },
      { id: "b", ...stored, version: 2 },
      { id: "a", ...stored, version: 2 },
    ],
  });
  assert.deepEqual((await json(app.request("/v1/users/a"))).attributes, { age: 32 });
  assert.equal((await app.request("/v1/items/a")).status, 404);
});

/** Refuses text where the feature of a year is read. */
function requireYear(kind: "item" | "user", { year }: { readonly year?: unknown }) {
  if (typeof year === "string") {
    throw new FeatureTypeError(kind, "year", "year", "a number", year, 0);
  }
}

Deno.test("wrong profiles of a list are rejected one by one and the others are stored", async () => {
  const { app, post } = gatewayFixture({ checkProfile: requireYear });
  const response = await post("/v1/items", [
    { id: "a", attributes: { year: "MCMXCIV" } },
    { id: "b", attributes: { year: 1994 } },
    { id: "c", attribute: {} },
    null,
  ]);
  assert.equal(response.status, 207);
  const answer = await json(response);
  assert.ok(profilesAnswerSchema.safeParse(answer).success);
  assert.deepEqual([answer.stored, answer.rejected], [1, 3]);
  assert.deepEqual(
    // deno-lint-ignore no-explicit-any -- entries of an answer, walked as JSON
    answer.profiles.map(({ id, status, problem }: any) => [
      id,
      status,
      // deno-lint-ignore no-explicit-any -- as above
      problem?.errors.map(({ pointer }: any) => pointer),
    ]),
    [
      ["a", "rejected", ["#/0/attributes/year"]],
      ["b", "stored", undefined],
      ["c", "rejected", ["#/2/attributes", "#/2/attribute"]],
      [undefined, "rejected", ["#/3"]],
    ],
  );
  assert.equal((await app.request("/v1/items/a")).status, 404);
  assert.equal((await app.request("/v1/items/b")).status, 200);
});

Deno.test("a list of which nothing is stored is a problem with one entry per profile", async () => {
  const { post } = gatewayFixture();
  const response = await post("/v1/items", [{ id: "a" }, 7]);
  assert.equal(response.status, 422);
  const problem = await json(response);
  assert.equal(problem.type, "/problems/no-profile-stored");
  assert.match(problem.detail, /^None of the 2 profiles was stored: #\/0\/attributes is missing/);
  assert.deepEqual([problem.stored, problem.rejected, problem.profiles.length], [0, 2, 2]);
});

Deno.test("when the store fails, a list is answered with the server's failure, not the client's", async () => {
  const failing = {
    put: () => Promise.reject(new Error("disk I/O error")),
  } as unknown as ProfileStore;
  const { post, telemetry } = gatewayFixture({ profiles: failing });
  const response = await post("/v1/items", [{ id: "a" }, { id: "b", attributes: {} }]);
  assert.equal(response.status, 500);
  assert.equal((await json(response)).rejected, 2);
  assert.equal(telemetry.lines.length, 1);
});

Deno.test("a full disk under the profiles is a 503 with the remedy, for one profile and for a list", async () => {
  const full = () =>
    Promise.reject(new ProfileStoreUnavailableError("/data/profiles.db", "disk is full"));
  const profiles = { put: full, delete: full } as unknown as ProfileStore;
  const { app, post } = gatewayFixture({ profiles });
  const answers = [
    await put(app, "/v1/items/a", {}),
    await app.request("/v1/items/a", { method: "DELETE" }),
    await post("/v1/items", [{ id: "a", attributes: {} }]),
  ];
  for (const answer of answers) {
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get("retry-after"), "1");
    const problem = await json(answer);
    assert.equal(problem.type, "/problems/unavailable");
    assert.match(problem.detail, /disk is full.*Free disk space/);
  }
});

Deno.test("a profile whose attributes no feature can read is refused and not stored", async () => {
  const { app } = gatewayFixture({ checkProfile: requireYear });
  const refused = await put(app, "/v1/items/a", { year: "MCMXCIV" });
  assert.equal(refused.status, 422);
  assert.deepEqual((await json(refused)).errors, [{
    pointer: "#/attributes/year",
    detail: 'is the text "MCMXCIV"; the feature "year" reads it, so send a number, or null',
  }]);
  assert.equal((await app.request("/v1/items/a")).status, 404);
  assert.equal((await put(app, "/v1/items/a", { year: 1994 })).status, 201);
});

Deno.test("a store that does not confirm in time answers 504", async () => {
  const { clock } = gatewayFixture();
  const profiles = {
    put: () => new Promise(() => {}),
    delete: () => new Promise(() => {}),
  } as unknown as ProfileStore;
  const { app, post } = gatewayFixture({ profiles, clock, options: { deadlineMs: 50 } });
  const requests = [
    { sent: () => put(app, "/v1/items/a", {}), says: /item "a" in time.*last write counts/ },
    {
      sent: () => post("/v1/items", [{ id: "a", attributes: {} }]),
      says: /profiles were written.*last write counts/,
    },
    {
      sent: () => app.request("/v1/items/a", { method: "DELETE" }),
      says: /whether item "a" was deleted is unknown/,
    },
  ];
  for (const { sent, says } of requests) {
    const late = await clock.settle(Promise.resolve(sent()));
    assert.equal(late.status, 504);
    assert.match((await json(late)).detail, says);
  }
});

const character = fc.string({ unit: "binary", minLength: 1, maxLength: 1 })
  .filter((text) => /^[^\p{Cc}\p{Cs}]$/u.test(text));
const id = fc.array(character, { minLength: 1, maxLength: 40 }).map((parts) => parts.join(""))
  // The URL standard removes these two from a path, percent-encoded or not.
  .filter((text) => text !== "." && text !== "..");
const text = fc.string({ unit: "binary", maxLength: 60 }).filter((value) => value.isWellFormed());
const attributes = fc.dictionary(
  id.filter((name) => name !== "__proto__"),
  fc.oneof(
    text,
    fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value === 0 ? 0 : value),
    fc.boolean(),
    fc.constant(null),
    fc.array(text, { maxLength: 5 }),
  ),
  { maxKeys: 10, noNullPrototype: true },
);

Deno.test("any attributes under any id are read back unchanged", async () => {
  const { app } = gatewayFixture();
  await fc.assert(
    fc.asyncProperty(id, fc.constantFrom("items", "users"), attributes, async (id, kind, sent) => {
      const path = `/v1/${kind}/${encodeURIComponent(id)}`;
      const written = await put(app, path, sent);
      assert.ok(written.status === 200 || written.status === 201, await written.clone().text());
      const read = await json(app.request(path));
      assert.ok(profileSchema.safeParse(read).success);
      assert.equal(read.id, id);
      assert.deepEqual(read.attributes, sent);
    }),
    { numRuns: 300 },
  );
});

Deno.test("no JSON value as attributes causes a server error", async () => {
  const { app } = gatewayFixture();
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), async (value) => {
      const { status } = await put(app, "/v1/items/x", value);
      assert.ok(status === 200 || status === 201 || status === 422, String(status));
    }),
    { numRuns: 300 },
  );
});
