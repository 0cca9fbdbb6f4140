/**
 * Lists, exports and patches of `/v1/items` and `/v1/users` from the client's side.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { profilePageSchema, storedProfileSchema } from "../../gateway/schemas/profiles.ts";
import { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import {
  ProfileCursorError,
  type ProfilePage,
  ProfileStoreUnavailableError,
} from "../../mesh/ports/profile_store.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { gatewayFixture, json, startMs } from "./fixture.ts";

type App = ReturnType<typeof gatewayFixture>["app"];

const write = (method: string) => (app: App, path: string, attributes: unknown) =>
  app.request(path, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ attributes }),
  });
const put = write("PUT");
const patch = write("PATCH");

Deno.test("a patch replaces, adds and removes attributes, and the others stay", async () => {
  const { app, clock } = gatewayFixture();
  await put(app, "/v1/items/a", { price: 5, tags: ["x", "y"], note: null, brand: "b" });
  await clock.advance(7);
  const response = await patch(app, "/v1/items/a", { price: 6, tags: ["z"], brand: null, year: 1 });
  assert.equal(response.status, 200);
  const answer = await json(response);
  assert.ok(storedProfileSchema.safeParse(answer).success);
  assert.deepEqual(answer, {
    id: "a",
    attributes: { note: null, price: 6, tags: ["z"], year: 1 },
    version: 2,
    updatedAtMs: startMs + 7,
  });
  assert.deepEqual(await json(app.request("/v1/items/a")), answer);
});

Deno.test("a merge patch may have its own media type", async () => {
  const { app } = gatewayFixture();
  await put(app, "/v1/users/a", { age: 5 });
  const response = await app.request("/v1/users/a", {
    method: "PATCH",
    headers: { "content-type": "application/merge-patch+json" },
    body: JSON.stringify({ attributes: { age: null } }),
  });
  assert.deepEqual((await json(response)).attributes, {});
});

Deno.test("a patch of an absent profile is refused, and nothing is stored", async () => {
  const { app, profiles } = gatewayFixture();
  const response = await patch(app, "/v1/items/a", { price: 5 });
  assert.equal(response.status, 404);
  assert.equal((await json(response)).type, "/problems/unknown-item");
  assert.equal(profiles.count("item"), 0);
});

Deno.test("a patch whose result has too many attributes or a wrong type is refused", async () => {
  const { app } = gatewayFixture();
  const many = Object.fromEntries(Array.from({ length: 256 }, (_, i) => [`a${i}`, i]));
  await put(app, "/v1/items/a", many);
  const more = await patch(app, "/v1/items/a", { one: 1 });
  assert.equal(more.status, 422);
  assert.match((await json(more)).detail, /at most 256 attributes/);
  assert.equal((await patch(app, "/v1/items/a", { one: 1, a0: null })).status, 200);
  await put(app, "/v1/items/b", {});
  const wrong = await json(patch(app, "/v1/items/b", { price: "cheap" }));
  assert.equal(wrong.errors[0].pointer, "#/attributes/price");
});

Deno.test("many patches of one profile at the same moment are all applied", async () => {
  const { app } = gatewayFixture();
  await put(app, "/v1/items/x", {});
  const names = Array.from({ length: 200 }, (_, i) => `a${i}`);
  const answers = await Promise.all(names.map((name) => patch(app, "/v1/items/x", { [name]: 1 })));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  const { attributes, version } = await json(app.request("/v1/items/x"));
  assert.deepEqual(Object.keys(attributes).sort(), names.sort());
  assert.equal(version, 201);
});

Deno.test("patches of several gateways that overtake one another are all applied", async () => {
  const store = new MemoryProfileStore(new VirtualClock({ startMs }));
  const names = ["a", "b", "c", "d", "e"];
  const apps = names.map(() => gatewayFixture({ profiles: store }).app);
  const [app] = apps;
  await put(app, "/v1/items/x", {});
  const replace = store.replace.bind(store);
  // Each write comes a turn after its read, so that patches overtake one another.
  store.replace = async (...args) => {
    await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
    return await replace(...args);
  };
  const answers = await Promise.all(
    names.map((name, i) => patch(apps[i], "/v1/items/x", { [name]: 1 })),
  );
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 200]);
  const { attributes, version } = await json(app.request("/v1/items/x"));
  assert.deepEqual(Object.keys(attributes).sort(), names);
  assert.equal(version, 6);
});

Deno.test("a patch that other writes always overtake is answered 503 and changes nothing", async () => {
  const store = new MemoryProfileStore(new VirtualClock({ startMs }));
  const { app } = gatewayFixture({ profiles: store });
  await put(app, "/v1/items/x", { i: 0 });
  store.replace = () => Promise.resolve(undefined);
  const response = await patch(app, "/v1/items/x", { i: 1 });
  assert.equal(response.status, 503);
  assert.match((await json(response)).detail, /came first 16 times. Nothing was changed/);
});

Deno.test("a patch has the effect of RFC 7396 on any attributes", async () => {
  const name = fc.constantFrom("a", "b", "c", "constructor", "toString");
  const value = fc.oneof(fc.integer(), fc.constant(null), fc.array(fc.string({ maxLength: 3 })));
  const attributes = fc.dictionary(name, value, { noNullPrototype: true });
  await fc.assert(fc.asyncProperty(attributes, attributes, async (before, changes) => {
    const { app } = gatewayFixture();
    await put(app, "/v1/items/x", before);
    const expected = new Map(Object.entries(before));
    for (const [key, change] of Object.entries(changes)) {
      if (change === null) expected.delete(key);
      else expected.set(key, change);
    }
    const answer = await json(patch(app, "/v1/items/x", changes));
    assert.deepEqual(new Map(Object.entries(answer.attributes)), expected);
  }));
});

Deno.test("the pages list every profile of their kind once, with the number of all", async () => {
  const { app, post } = gatewayFixture();
  const items = Array.from({ length: 23 }, (_, i) => ({ id: `ü/${i}`, attributes: { i } }));
  await post("/v1/items", items);
  await post("/v1/users", [{ id: "u", attributes: {} }]);
  const seen: string[] = [];
  let query = "?limit=5";
  for (let pages = 0; pages < 10; pages++) {
    const answer = await json(app.request(`/v1/items${query}`));
    assert.ok(profilePageSchema.safeParse(answer).success, JSON.stringify(answer));
    assert.equal(answer.count, 23);
    seen.push(...answer.profiles.map(({ id }: { id: string }) => id));
    if (answer.next === undefined) break;
    query = `?limit=5&cursor=${encodeURIComponent(answer.next)}`;
  }
  assert.deepEqual(seen.sort(), items.map(({ id }) => id).sort());
});

Deno.test("a list without parameters has the first hundred", async () => {
  const { app, post } = gatewayFixture();
  await post("/v1/users", Array.from({ length: 101 }, (_, i) => ({ id: `${i}`, attributes: {} })));
  assert.equal((await json(app.request("/v1/users"))).profiles.length, 100);
});

Deno.test("stale profiles are those whose last write was before a time", async () => {
  const { app, clock } = gatewayFixture();
  await put(app, "/v1/items/old", {});
  await put(app, "/v1/items/touched", {});
  await clock.advance(60_000);
  await patch(app, "/v1/items/touched", { price: 1 });
  await put(app, "/v1/items/new", {});
  for (const before of [String(startMs + 1), new Date(startMs + 1).toISOString()]) {
    const query = `?writtenBefore=${encodeURIComponent(before)}`;
    const { profiles, count } = await json(app.request(`/v1/items${query}`));
    assert.deepEqual(profiles.map(({ id }: { id: string }) => id), ["old"]);
    assert.equal(count, 3);
    const lines = await (await app.request(`/v1/items.jsonl${query}`)).text();
    assert.deepEqual(lines.trimEnd().split("\n").map((line) => JSON.parse(line).id), ["old"]);
  }
});

Deno.test("an export has a line for each profile, and can be stored again", async () => {
  const { app, post } = gatewayFixture();
  const items = Array.from({ length: 250 }, (_, i) => ({ id: `i${i}`, attributes: { i } }));
  await post("/v1/items", items);
  const response = await app.request("/v1/items.jsonl");
  assert.equal(response.headers.get("content-type"), "application/jsonl; charset=utf-8");
  const lines = (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 250);
  assert.deepEqual(Object.keys(lines[0]), ["id", "attributes", "version", "updatedAtMs"]);
  const again = gatewayFixture();
  const entries = lines.map(({ id, attributes }) => ({ id, attributes }));
  assert.equal((await json(again.post("/v1/items", entries))).stored, 250);
  assert.equal(await (await app.request("/v1/users.jsonl")).text(), "");
});

Deno.test("an export whose store fails breaks off, and one that cannot begin is a problem", async () => {
  const store = new MemoryProfileStore(new VirtualClock({ startMs }));
  const { app, post } = gatewayFixture({ profiles: store });
  await post("/v1/items", Array.from({ length: 250 }, (_, i) => ({ id: `${i}`, attributes: {} })));
  const list = store.list.bind(store);
  let reads = 0;
  store.list = (...args): Promise<ProfilePage> =>
    reads++ > 0
      ? Promise.reject(new ProfileStoreUnavailableError("the disk", "it is gone"))
      : list(...args);
  const response = await app.request("/v1/items.jsonl");
  assert.equal(response.status, 200);
  await assert.rejects(response.text(), ProfileStoreUnavailableError);
  const refused = await app.request("/v1/items.jsonl");
  assert.equal(refused.status, 503);
  assert.equal((await json(refused)).type, "/problems/unavailable");
});

Deno.test("wrong parameters are refused by name", async () => {
  const store = new MemoryProfileStore(new VirtualClock({ startMs }));
  const { app } = gatewayFixture({ profiles: store });
  store.list = (_, cursor) => Promise.reject(new ProfileCursorError(String(cursor)));
  const cases: [query: string, status: number, detail: RegExp][] = [
    ["limit=0", 422, /#\/limit is 0; send a whole number from 1 to 1000/],
    ["limit=ten", 422, /#\/limit is the text "ten"; send a whole number/],
    ["cursor=", 422, /#\/cursor is the text ""; send the `next` of a page/],
    ["cursor=42", 422, /#\/cursor is "42"; send the `next` of a page/],
    ["limits=5", 422, /limits is an unknown field.*did you mean limit\?/],
    ["limit=5&limit=6", 400, /"limit" twice/],
    ["writtenBefore=yesterday", 422, /#\/writtenBefore is the text "yesterday"; send ms/],
    ["writtenBefore=1772366400", 422, /looks like seconds/],
    ["__proto__=1", 422, /unknown field/],
  ];
  for (const [query, status, detail] of cases) {
    const response = await app.request(`/v1/users?${query}`);
    const { detail: said, errors } = await json(response);
    assert.equal(response.status, status, query);
    assert.match(`${said} ${JSON.stringify(errors)}`, detail, query);
  }
});
