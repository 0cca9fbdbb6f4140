/**
 * Stored attributes come back as they were sent, whatever they and the ids hold.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { FeatureTypeError } from "../../kernels/features/errors.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import { profileSchema } from "../../gateway/schemas/profiles.ts";
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

Deno.test("items and users of the same id are told apart", async () => {
  const { app } = gatewayFixture();
  await put(app, "/v1/items/x", { kind: "item" });
  await put(app, "/v1/users/x", { kind: "user" });
  assert.equal((await json(app.request("/v1/items/x"))).attributes.kind, "item");
  assert.equal((await json(app.request("/v1/users/x"))).attributes.kind, "user");
});

Deno.test("a profile that features cannot be made of is refused and not stored", async () => {
  const { app } = gatewayFixture({
    checkProfile(kind, { year }) {
      if (typeof year === "string") {
        throw new FeatureTypeError(kind, "year", "year", "a number", year, 0);
      }
    },
  });
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
    get: () => undefined,
    count: () => 0,
    close: () => Promise.resolve(),
  } as ProfileStore;
  const { app } = gatewayFixture({ profiles, clock, options: { deadlineMs: 50 } });
  const late = await clock.settle(Promise.resolve(put(app, "/v1/items/a", {})));
  assert.equal(late.status, 504);
  assert.match((await json(late)).detail, /item "a" in time.*last write counts/);
});

const character = fc.string({ unit: "binary", minLength: 1, maxLength: 1 })
  .filter((text) => /^[^\p{Cc}\p{Cs}]$/u.test(text));
const id = fc.array(character, { minLength: 1, maxLength: 40 }).map((parts) => parts.join(""))
  // The URL standard resolves these two away before a server sees them, percent-encoded or not.
  .filter((text) => text !== "." && text !== "..");
const text = fc.string({ unit: "binary", maxLength: 60 }).filter((value) => value.isWellFormed());
const attributes = fc.dictionary(
  id.filter((name) => name !== "__proto__"),
  fc.oneof(
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value === 0 ? 0 : value),
    fc.boolean(),
    fc.constant(null),
    fc.array(text, { maxLength: 5 }),
  ),
  { maxKeys: 10, noNullPrototype: true },
);

Deno.test("any attributes under any id make the round trip unchanged", async () => {
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

Deno.test("no JSON value as attributes makes a server error", async () => {
  const { app } = gatewayFixture();
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), async (value) => {
      const { status } = await put(app, "/v1/items/x", value);
      assert.ok(status === 200 || status === 201 || status === 422, String(status));
    }),
    { numRuns: 300 },
  );
});
