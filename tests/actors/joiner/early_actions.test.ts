/**
 * Actions that the event log has before their ranking.
 */
import assert from "node:assert/strict";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import { JoinWindow } from "../../../actors/joiner/join_window.ts";
import type { EventRecord } from "../../../records/event_record.ts";
import { JoinerWorld } from "./joiner_world.ts";
import { action, COLUMNS, impression, joinerOptions, readExamples } from "./records.ts";

const ranked = impression({ ranking: "r", items: ["a", "b"], atMs: 0, acceptedAtMs: 1_000 });
const end = impression({ ranking: "end", items: ["x"], atMs: 5_000, acceptedAtMs: 20_000 });

/** An action on r/a, accepted after the ranking was made. */
function acted(name: string, acceptedAtMs = 1_200, item = "a") {
  return action({ ranking: "r", item, action: name, atMs: 0, acceptedAtMs });
}

/** An action on a ranking that no log has. */
function elsewhere(ranking: string, acceptedAtMs: number) {
  return action({ ranking, item: "a", action: "click", atMs: 0, acceptedAtMs });
}

function join(records: readonly EventRecord[], options = joinerOptions()) {
  const window = new JoinWindow(options);
  const builder = new ExampleChunkBuilder({ ...COLUMNS, tasks: 1 }, 0);
  records.forEach((record, offset) => {
    window.observe(record, offset);
    while (window.closeNext(record, offset, () => builder));
    window.accept(record, offset, () => builder);
  });
  const examples = readExamples(builder.finish(0)).map(({ name, label }) => `${name}=${label}`);
  return { window, examples, counts: window.counts };
}

/** The rankings of the held actions. */
function heldRankings(window: JoinWindow): string[] {
  return window.replayPoint(0).early?.actions().map(({ rankingId }) => rankingId) ?? [];
}

Deno.test("an action before its ranking is learned from as one behind it", () => {
  const { examples, counts } = join([acted("click"), ranked, end]);
  assert.deepEqual(examples, ["r/a=1", "r/b=0"]);
  assert.equal(counts.actionsMatched, 1);
  assert.equal(counts.actionsEarly, 1);
  assert.equal(counts.actionsUnmatched, 1);
});

Deno.test("actions before their ranking keep their order, and each counts once", () => {
  const click = acted("click");
  const { examples, counts } = join([click, acted("dislike", 1_201), ranked, click, end]);
  assert.deepEqual(examples, ["r/a=0", "r/b=0"]);
  assert.equal(counts.actionsMatched, 2);
  assert.equal(counts.actionsDuplicate, 1);
});

Deno.test("final actions before their ranking decide it when it comes", () => {
  const log = [acted("buy"), acted("buy", 1_201, "b"), acted("click", 1_202), ranked];
  const { window, examples, counts } = join(log);
  assert.deepEqual(examples, ["r/a=1", "r/b=1"]);
  assert.equal(counts.actionsLate, 1);
  assert.equal(window.impressionsOpen, 0);
});

Deno.test("an action waits 10 seconds of acceptance for its ranking, and no longer", () => {
  const inTime = join([acted("click"), elsewhere("o", 11_200), ranked, end]);
  assert.deepEqual(inTime.examples, ["r/a=1", "r/b=0"]);
  const late = join([acted("click"), elsewhere("o", 11_201), ranked, end]);
  assert.deepEqual(late.examples, ["r/a=0", "r/b=0"]);
  assert.deepEqual([late.counts.actionsEarly, late.counts.actionsMissed], [0, 1]);
});

for (const aheadMs of [1, 300, 60_000]) {
  Deno.test(`a ranking of a host whose clock is ${aheadMs} ms ahead gets its actions`, () => {
    const ahead = { ...ranked, acceptedAtMs: 1_200 + aheadMs };
    const { examples } = join([acted("click"), ahead, end]);
    assert.deepEqual(examples, ["r/a=1", "r/b=0"]);
  });
}

Deno.test("the held actions of a moment stay the same while later ones come and go", () => {
  const window = new JoinWindow(joinerOptions());
  const builder = new ExampleChunkBuilder({ ...COLUMNS, tasks: 1 }, 0);
  const log = [
    ...Array.from({ length: 150 }, (_, i) => elsewhere(`u${i}`, 1_300 + i)),
    acted("click", 1_500),
    ranked,
    elsewhere("o", 1_600),
    elsewhere("last", 11_550),
  ];
  const moments = log.map((record, offset) => {
    window.observe(record, offset);
    window.accept(record, offset, () => builder);
    const { early } = window.replayPoint(offset + 1);
    return { early, then: early?.actions() };
  });
  assert.deepEqual(heldRankings(window), ["r", "o", "last"]);
  for (const { early, then } of moments) assert.deepEqual(early?.actions(), then);
});

Deno.test("at most 64 actions wait: one more ends the wait of the oldest", () => {
  const unknown = (count: number) =>
    Array.from({ length: count }, (_, i) => elsewhere(`u${i}`, 1_300 + i));
  const full = join([acted("click"), ...unknown(63), ranked, end]);
  assert.deepEqual(full.examples, ["r/a=1", "r/b=0"]);
  const over = join([acted("click"), ...unknown(64), ranked, end]);
  assert.deepEqual(over.examples, ["r/a=0", "r/b=0"]);
  assert.equal(over.counts.actionsUnmatched, 65);
  assert.deepEqual([full.counts.actionsMissed, over.counts.actionsMissed], [0, 1]);
  const many = join([acted("click"), ...unknown(300)]);
  assert.equal(many.window.replayPoint(0).early?.actions().length, 64);
});

Deno.test("actions that were let go count as missed when their rankings come, and only then", () => {
  const clicks = Array.from({ length: 300 }, (_, i) => elsewhere(`u${i}`, 1_300 + i));
  const comes = (ranking: string) => ({ ...ranked, rankingId: ranking });
  const { counts } = join([acted("click"), acted("buy"), ...clicks, ranked, ranked]);
  assert.equal(counts.actionsMissed, 2);
  const { counts: all } = join([...clicks, ...clicks.map(({ rankingId }) => comes(rankingId))]);
  assert.deepEqual([all.actionsEarly, all.actionsMissed], [64, 236]);
});

Deno.test("actions that were matched stay held, and further ones do not displace them", () => {
  const early = Array.from({ length: 64 }, (_, i) => acted("click", 1_200 + i));
  const options = joinerOptions({ actionsPerImpressionMax: 1_000 });
  const { window, counts } = join([...early, ranked, elsewhere("o", 1_500)], options);
  assert.equal(counts.actionsMatched, 64);
  assert.deepEqual([...new Set(heldRankings(window))], ["r", "o"]);
});

Deno.test("nothing is held any more when the ranking is decided", () => {
  const { window } = join([acted("click"), ranked, end, elsewhere("o", 1_300)]);
  assert.deepEqual(heldRankings(window), ["o"]);
});

for (const cut of [1, 2, 3]) {
  Deno.test(`a joiner that restarts after ${cut} records learns early actions once`, async () => {
    const world = new JoinerWorld(joinerOptions({ batchRows: 1 }));
    await world.start();
    const log = [acted("click"), ranked, acted("buy", 1_300, "b"), end];
    await world.post(...log.slice(0, cut));
    await world.mesh.advance(2_000);
    await world.restart();
    await world.post(...log.slice(cut));
    await world.mesh.advance(2_000);
    assert.deepEqual(await world.names(), ["r/b=1", "r/a=1"]);
  });
}
