/** `POST /v1/recommend` and `POST /v1/similar` from the client's side. */
import assert from "node:assert/strict";
import { RecommendOffError } from "../../actors/ranker/protocol.ts";
import { UnknownItemError } from "../../actors/retriever/protocol.ts";
import { FeatureTypeError } from "../../kernels/features/errors.ts";
import { rankingSchema } from "../../gateway/schemas/rank.ts";
import { gatewayFixture, json, startMs } from "./fixture.ts";

Deno.test("the ranker gets a request with defaults filled in, and its ranking takes events", async () => {
  const { post, ranker } = gatewayFixture();
  const response = await post("/v1/recommend", { user: "u" });
  assert.equal(response.status, 200);
  const ranking = await json(response);
  assert.ok(rankingSchema.safeParse(ranking).success);
  assert.deepEqual(ranker.recommended, [{
    kind: "recommend",
    user: "u",
    context: {},
    atMs: startMs,
    limit: 20,
    candidates: 300,
    explain: false,
    sources: ["model"],
  }]);
  const event = { eventId: "e", rankingId: ranking.rankingId, item: "a", action: "click" };
  assert.equal((await post("/v1/events", event)).status, 200);
});

Deno.test("similar items are asked for with the rules of the request", async () => {
  const { post, ranker } = gatewayFixture();
  const response = await post("/v1/similar", {
    item: "a",
    user: "u",
    orderBy: "score",
    limit: 400,
    candidates: 50,
    scenario: "home",
    rules: { filter: "price < 5" },
    rankingId: "mine",
  });
  assert.equal(response.status, 200);
  await response.body?.cancel();
  const [{ rules, ...request }] = ranker.recommended;
  assert.deepEqual(rules?.filter, ["!hidden", "price < 5"]);
  assert.deepEqual(request, {
    kind: "recommendSimilar",
    item: "a",
    user: "u",
    context: {},
    atMs: startMs,
    limit: 400,
    candidates: 400,
    explain: false,
    orderBy: "score",
    rankingId: "mine",
  });
  const again = await post("/v1/recommend", { user: "u", rankingId: "mine" });
  assert.equal(again.status, 409);
});

Deno.test("recommendations that are off, and unknown items, have problems of their own", async () => {
  const { post, ranker } = gatewayFixture();
  ranker.recommend = () => Promise.reject(new UnknownItemError("x"));
  const unknown = await post("/v1/similar", { item: "x" });
  assert.equal(unknown.status, 404);
  assert.equal((await json(unknown)).type, "/problems/unknown-item");
  ranker.recommend = () => Promise.reject(new RecommendOffError());
  const off = await post("/v1/recommend", { user: "u" });
  assert.equal(off.status, 404);
  assert.equal((await json(off)).type, "/problems/recommend-off");
  const without = gatewayFixture({ options: { recommend: undefined as never } });
  assert.equal(
    (await json(without.post("/v1/similar", { item: "x" }))).type,
    "/problems/recommend-off",
  );
});

Deno.test("an empty answer says whether items are stored at all", async () => {
  const { post, ranker } = gatewayFixture({ attributes: { item: {}, user: {}, context: {} } });
  const { recommend } = ranker;
  ranker.recommend = async (request) => ({ ...await recommend.call(ranker, request), items: [] });
  const noteOf = async (change: Record<string, unknown> = {}) => {
    const ranking = await json(await post("/v1/recommend", { user: "u", ...change }));
    assert.ok(rankingSchema.safeParse(ranking).success);
    return ranking.note;
  };
  assert.match(await noteOf(), /^No item is stored, .* PUT \/v1\/items\/\{id\} stores one/);
  await (await post("/v1/items", [{ id: "a", attributes: {} }])).body?.cancel();
  assert.match(await noteOf(), /^Of 1 stored item the sources found none/);
  assert.match(await noteOf({ context: { nope: 1 } }), /stored\. No feature reads "nope"/);
});

Deno.test("an attribute of the wrong type is refused with its pointer", async () => {
  const { post, ranker } = gatewayFixture();
  ranker.recommend = () =>
    Promise.reject(new FeatureTypeError("context", "hour", "hour", "a finite number", "noon"));
  const response = await post("/v1/recommend", { user: "u", context: { hour: "noon" } });
  assert.equal(response.status, 422);
  assert.equal((await json(response)).errors[0].pointer, "#/context/hour");
});
