/** Rules of a ranking request, from the client's side. */
import assert from "node:assert/strict";
import type { Ranking } from "../../actors/ranker/protocol.ts";
import { rankingSchema } from "../../gateway/schemas/rank.ts";
import { gatewayFixture, json } from "./fixture.ts";

const two = { user: "u", candidates: [{ id: "a" }, { id: "b" }] };

Deno.test("the ranker gets the rules of the scenario and of the request together", async () => {
  const { post, ranker } = gatewayFixture();
  const response = await post("/v1/rank", {
    ...two,
    scenario: "home",
    rules: {
      filter: "price < 5",
      boost: [{ when: '"new" in tags', factor: 2 }],
      diversity: { kind: "cap", by: "brand", max: 2 },
      pin: [{ item: "a", position: 1 }],
    },
  });
  assert.equal(response.status, 200);
  await response.body?.cancel();
  assert.deepEqual(ranker.asked[0].rules, {
    exclude: [],
    filter: ["!hidden", "price < 5"],
    boost: [{ when: '"new" in tags', factor: 2 }],
    diversity: { kind: "cap", by: "brand", max: 2 },
    pin: [{ item: "a", position: 1 }],
  });
  await (await post("/v1/rank", two)).body?.cancel();
  assert.equal(ranker.asked[1].rules, undefined);
});

Deno.test("a request without a scenario gets the default one, and may name another", async () => {
  const newItems = { when: "price > 5", share: 0.1 };
  const { post, ranker } = gatewayFixture({
    options: { scenario: "fresh", scenarios: { fresh: { newItems }, plain: {} } },
  });
  const rulesOf = async (change: Record<string, unknown>) => {
    const response = await post("/v1/rank", { ...two, ...change });
    assert.equal(response.status, 200);
    await response.body?.cancel();
    return ranker.asked.at(-1)?.rules;
  };
  assert.deepEqual((await rulesOf({}))?.newItems, newItems);
  assert.equal((await rulesOf({ scenario: "plain" }))?.newItems, undefined);
  const own = { when: "price > 9", share: 1, top: 3 };
  assert.deepEqual((await rulesOf({ rules: { newItems: own } }))?.newItems, own);
});

Deno.test("an answer names the rules that were not applied", async () => {
  const { post, ranker } = gatewayFixture();
  const noteOf = async (change: Partial<Ranking>) => {
    ranker.script = (rank) => ({ ...ranker.inOrder(rank), ...change });
    const ranking = await json(await post("/v1/rank", two));
    assert.ok(rankingSchema.safeParse(ranking).success);
    return ranking.note;
  };
  assert.equal(await noteOf({}), undefined);
  assert.match(
    await noteOf({ rulesSkipped: ["exclude"] }),
    /^The rule exclude was not applied, because the user's history could not be read in time/,
  );
  assert.match(
    await noteOf({ items: [], rulesSkipped: ["exclude", "rotation"] }),
    /^The rules left out all 2 candidates, .* The rules exclude and rotation were not applied/,
  );
});

Deno.test("a ranking whose items were all left out is answered, with the removed items", async () => {
  const { post, ranker } = gatewayFixture();
  ranker.script = (rank) => ({
    ...ranker.inOrder(rank),
    items: [],
    removed: [{ id: "a", by: "filter" }],
  });
  const response = await post("/v1/rank", { ...two, explain: true, rules: { filter: "hidden" } });
  assert.equal(response.status, 200);
  const ranking = await json(response);
  assert.ok(rankingSchema.safeParse(ranking).success);
  assert.match(ranking.note, /^The rules left out all 2 candidates, .*"explain": true/);
  assert.deepEqual(ranking.items, []);
  assert.deepEqual(ranking.removed, [{ id: "a", by: "filter" }]);
  const event = { eventId: "e", rankingId: ranking.rankingId, item: "a", action: "click" };
  assert.equal((await post("/v1/events", event)).status, 422);
});

Deno.test("a stored attribute of another type than rules read is refused", async () => {
  const { app } = gatewayFixture();
  const response = await app.request("/v1/items/a", {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ attributes: { price: "cheap" } }),
  });
  assert.equal(response.status, 422);
  const { errors } = await json(response);
  assert.deepEqual(errors, [{
    pointer: "#/attributes/price",
    detail: 'is the text "cheap"; rules read it as a number, so send a number, or null',
  }]);
});
