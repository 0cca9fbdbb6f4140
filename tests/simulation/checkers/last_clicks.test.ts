import assert from "node:assert/strict";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { LastClicks } from "../../../simulation/checkers/last_clicks.ts";
import type { Serving } from "../../../simulation/checkers/serving.ts";

/** The alarm after one click of ann, where rankings show the item all the same. */
async function alarmAfter(
  names: { readonly user: string } | { readonly rankingId: string },
  outcome: Readonly<Record<string, unknown>>,
  clicksBefore = 0,
): Promise<string | undefined> {
  const clock = new VirtualClock();
  const clicks = new LastClicks(() => clock.monotonicMs());
  clicks.take({
    client: "ann",
    method: "POST",
    path: "/v1/rank",
    requestBody: { user: "ann" },
    status: 200,
    body: { rankingId: "r1" },
  });
  const click = (eventId: string, item: string) =>
    clicks.take({
      client: "ann",
      method: "POST",
      path: "/v1/events",
      requestBody: { eventId, ...names, item, action: "click" },
      status: 200,
      body: { events: [{ eventId, status: "accepted", ...outcome }] },
    });
  for (let before = 0; before < clicksBefore; before++) click(`before-${before}`, "other");
  click("e1", "m1");
  const fetch = () => Promise.resolve(Response.json({ items: [{ id: "m1" }, { id: "other" }] }));
  const serving = { mesh: { mesh: { home: { clock } }, fetch } } as unknown as Serving;
  const shown = clicks.firstShown(serving);
  await clock.advance(11_000);
  return await shown;
}

Deno.test("a click that a ranking forgets is told, also where the log lacks a ranking that it did not name", async () => {
  const told = /ann clicked m1 last.* shows it/;
  for (const names of [{ user: "ann" }, { rankingId: "r1" }]) {
    assert.match(await alarmAfter(names, {}) ?? "", told);
  }
  assert.match(await alarmAfter({ user: "ann" }, { unlogged: true }) ?? "", told);
  assert.match(await alarmAfter({ user: "ann" }, { status: "duplicate" }) ?? "", told);
});

Deno.test("a click that names a ranking which the log lacks is not expected", async () => {
  assert.equal(await alarmAfter({ rankingId: "r1" }, { unlogged: true }), undefined);
});

Deno.test("a click after a whole history of others is not expected: a keeper may read it before them", async () => {
  assert.match(await alarmAfter({ user: "ann" }, {}, 4) ?? "", /ann clicked m1 last/);
  assert.equal(await alarmAfter({ user: "ann" }, {}, 5), undefined);
});
