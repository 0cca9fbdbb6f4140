/**
 * Bad input to a real mesh: whatever comes in between, what is good is answered, learned once, and
 * nothing crashes.
 */
import assert from "node:assert/strict";
import { badInputs, goodRank, requestOf } from "../gateway/bad_input_cases.ts";
import { recommendations, smallConfiguration, startSmallMesh } from "./small_mesh.ts";
import { waitLearned } from "../../server/waits.ts";

const items = ["a", "b", "c"];

function jsonRequest(path: string, body: unknown): Request {
  return new Request(`http://cairn${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

Deno.test("between all kinds of bad input, good events are learned once and nothing crashes", async () => {
  const yaml = smallConfiguration("in one thread") + recommendations;
  const { mesh, client, problems } = await startSmallMesh(yaml);
  try {
    await mesh.fetch(jsonRequest("/v1/rank", { ...goodRank, rankingId: "known" }));
    let good = 0;
    const send = async () => {
      const { rankingId } = await client.rank("ann", items);
      const [{ status }] = await client.post([
        { eventId: `good-${good}`, rankingId, item: items[good % 3], action: "click" },
      ]);
      assert.equal(status, "accepted");
      good++;
    };
    for (const bad of badInputs.filter(({ fixtureOnly }) => !fixtureOnly)) {
      const response = await client.send(requestOf(bad));
      assert.equal(response.status, bad.status, `${bad.name}: ${await response.text()}`);
      if (good < 20) await send();
    }
    await send();
    await waitLearned(mesh);
    const joined = await mesh.joiners.status();
    assert.equal(joined.actionsMatched, good);
    assert.equal(joined.actionsUnmatched + joined.actionsLate + joined.actionsDuplicate, 0);
    const trained = await mesh.trainers.status();
    assert.equal(trained.examples, good);
    assert.deepEqual(problems, []);
  } finally {
    await mesh.stop();
  }
});

Deno.test("a clock that jumps ahead is refused and closes no window", async () => {
  const { mesh, client, problems } = await startSmallMesh(smallConfiguration("in one thread"));
  const post = (path: string, body: unknown) => client.send(jsonRequest(path, body));
  try {
    const { rankingId } = await client.rank("ann", items);
    const click = { eventId: "e1", rankingId, item: "a", action: "click" };
    const timestamp = Date.now() + 30 * 86_400_000;
    const ahead = await post("/v1/events", { ...click, timestamp });
    assert.equal(ahead.status, 422);
    assert.equal((await ahead.json()).type, "/problems/timestamp-ahead");
    const rank = await post("/v1/rank", { user: "ann", candidates: [{ id: "a" }], timestamp });
    assert.equal((await rank.json()).type, "/problems/timestamp-ahead");

    const [{ status }] = await client.post([click]);
    assert.equal(status, "accepted", "a refused event is not remembered as seen");
    await waitLearned(mesh);
    const joined = await mesh.joiners.status();
    assert.equal(joined.actionsMatched, 1);
    assert.equal(joined.actionsLate, 0);
    assert.deepEqual(problems, []);
  } finally {
    await mesh.stop();
  }
});
