import assert from "node:assert/strict";
import fc from "fast-check";
import { LabelRules } from "../../../actors/joiner/label_rules.ts";
import { History, type PastEvent } from "../../../offline/import/history.ts";
import {
  labelShares,
  needsNegatives,
  type Visit,
  type VisitOptions,
  Visits,
} from "../../../offline/import/visits.ts";

const rules = new LabelRules([{
  task: "purchase",
  rules: [
    { action: "purchase", atLeast: 1, label: "positive" },
    { action: "purchase", below: 1, label: "negative" },
  ],
}]);

const options: VisitOptions = {
  idPrefix: "i",
  windowMs: 1_000,
  rules,
  negatives: 2,
  uniformShare: 0.5,
  itemsSeen: 50,
};

function bought(
  user: string,
  item: string,
  atMs: number,
  more: Partial<PastEvent> = {},
): PastEvent {
  return { user, item, action: "purchase", value: 1, atMs, ...more };
}

function visitsOf(
  events: readonly PastEvent[],
  changes: Partial<VisitOptions> = {},
  fill: (history: History) => void = () => {},
) {
  const history = new History();
  for (const event of events) history.addEvent(event);
  fill(history);
  const visits = new Visits(history, { ...options, ...changes });
  return { visits: [...visits.all()], counts: visits.counts };
}

const catalogue = Array.from({ length: 30 }, (_, i) => bought("other", `x${i}`, 0));

Deno.test("items of a file that no event names are negatives from the beginning", () => {
  const events = [bought("u", "a", 0), bought("v", "b", 100), bought("u", "late", 200_000)];
  const { visits } = visitsOf(events, { negatives: 50 }, (history) => {
    for (const item of ["unsold", "late", "shown"]) history.profiles.item.set(item, {});
    history.addRanking({ ranking: "r", user: "w", atMs: 150, items: ["shown"] });
  });
  const first = visits.find(({ user, atMs }) => user === "v" && atMs === 100);
  assert.ok(first?.ranking?.items.includes("unsold"));
  assert.ok(!first?.ranking?.items.includes("shown"), "an item that a ranking shows has its rows");
});

Deno.test("the events of one visit become one ranking with sampled negatives and their share", () => {
  const { visits, counts } = visitsOf([
    ...catalogue,
    bought("u", "a", 100),
    bought("u", "b", 100),
  ]);
  const { ranking, actions } = visits.at(-1)!;
  assert.deepEqual(ranking?.items.slice(0, 2), ["a", "b"]);
  assert.equal(ranking?.items.length, 6, "two negatives per item");
  assert.ok(ranking.items.slice(2).every((item) => item.startsWith("x")));
  assert.equal(ranking.logSampleRate, Math.log(4 / 48), "4 of the 48 items that were not bought");
  assert.deepEqual(actions.map(({ item, rankingId }) => [item, rankingId]), [
    ["a", ranking.id],
    ["b", ranking.id],
  ]);
  assert.equal(counts.rankingsMade, 2);
});

Deno.test("events of a ranking go to it by id, then by user and item within the window", () => {
  const ranking = { ranking: "r1", user: "u", atMs: 100, items: ["a", "b"] };
  const { visits, counts } = visitsOf(
    [
      bought("u", "a", 150, { ranking: "r1" }),
      bought("u", "b", 200),
      bought("u", "b", 1_100),
      bought("u", "c", 160, { ranking: "r1" }),
      bought("u", "d", 160, { ranking: "r9" }),
    ],
    { negatives: 0 },
    (history) => history.addRanking(ranking),
  );
  const found = visits.flatMap(({ actions }) =>
    actions.map(({ item, rankingId }) => [item, rankingId])
  );
  assert.deepEqual(found, [
    ["a", "r1"],
    ["c", "i-r0"],
    ["d", "i-r0"],
    ["b", "r1"],
    ["b", "i-r1"],
  ]);
  assert.deepEqual({ attributed: counts.attributed, orphans: counts.orphans }, {
    attributed: 1,
    orphans: 2,
  });
});

Deno.test("a return takes back a purchase in its window, and alone teaches nothing", () => {
  const { visits, counts } = visitsOf([
    ...catalogue,
    bought("u", "a", 100),
    bought("u", "a", 200, { value: -1 }),
    bought("u", "b", 300, { value: -1 }),
  ]);
  const [purchase, taken, alone] = visits.slice(-3);
  assert.equal(taken.actions[0].rankingId, purchase.ranking?.id);
  assert.deepEqual([alone.ranking, alone.actions], [undefined, []]);
  assert.equal(counts.unmatched, 1);
});

Deno.test("a history of likes and dislikes needs no sampled negatives", () => {
  const history = new History();
  for (let i = 0; i < 20; i++) {
    history.addEvent(bought("u", "a", i, { value: i % 3 === 0 ? 0 : 1 }));
  }
  history.addEvent(bought("u", "a", 30, { action: "view" }));
  const shares = labelShares(history, rules);
  assert.deepEqual(shares, { positive: 13, negative: 7, ignored: 1 });
  assert.equal(needsNegatives(shares), false);
  assert.equal(needsNegatives({ ...shares, negative: 1 }), true);
});

Deno.test("every event is an action once, in order of time, on a ranking before it that shows its item", () => {
  const event = fc.record({
    user: fc.constantFrom("u", "v"),
    item: fc.constantFrom("a", "b", "c", "d"),
    atMs: fc.nat(3_000),
    value: fc.constantFrom(1, 1, 1, -1),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), fc.nat(3), (events, negatives) => {
      const { visits, counts } = visitsOf(
        events.map(({ user, item, atMs, value }) => bought(user, item, atMs, { value })),
        { negatives },
      );
      const shown = new Map<string, readonly string[]>();
      const ids = new Set<string>();
      let atMs = 0;
      for (const visit of visits) {
        assert.ok(visit.atMs >= atMs);
        atMs = visit.atMs;
        if (visit.ranking !== undefined) {
          assert.ok(!shown.has(visit.ranking.id));
          assert.equal(new Set(visit.ranking.items).size, visit.ranking.items.length);
          assert.ok((visit.ranking.logSampleRate ?? 0) <= 0);
          shown.set(visit.ranking.id, visit.ranking.items);
        }
        for (const { eventId, item, rankingId } of visit.actions) {
          assert.ok(!ids.has(eventId));
          ids.add(eventId);
          assert.ok(shown.get(rankingId)?.includes(item));
        }
      }
      assert.equal(ids.size + counts.unmatched, events.length);
      assert.equal(ids.size, counts.actions);
    }),
  );
});

Deno.test("the same history gives the same visits", () => {
  const events = [...catalogue, bought("u", "a", 100), bought("v", "b", 200)];
  const plain = (visits: readonly Visit[]) => JSON.stringify(visits);
  assert.equal(plain(visitsOf(events).visits), plain(visitsOf(events).visits));
});

Deno.test("an item that is bought again after a pause is among the negatives of the pause", () => {
  const rare = Array.from({ length: 20 }, (_, i) => `rare${i}`);
  const events = [
    ...rare.map((item, i) => bought(`u${i}`, item, i)),
    ...Array.from({ length: 12_000 }, (_, i) => bought(`u${i % 97}`, `x${i % 50}`, 100 + 2 * i)),
    ...rare.map((item, i) => bought(`u${i}`, item, 30_000 + i)),
  ];
  /** Share of positives in the rows of items that were not bought among the last 10,000 events. */
  const positives = (uniformShare: number) => {
    const { visits } = visitsOf(events, { uniformShare });
    const late = visits.filter(({ atMs }) => atMs > 20_100);
    const rows = late.flatMap(({ ranking }) => ranking?.items ?? [])
      .filter((item) => item.startsWith("rare"));
    const acted = late.flatMap(({ actions }) => actions)
      .filter(({ item }) => item.startsWith("rare"));
    return acted.length / rows.length;
  };
  assert.ok(positives(0) > 0.8, "nearly every such row is positive without the uniform share");
  assert.ok(positives(0.5) < 0.05, "and few are with it");
});
