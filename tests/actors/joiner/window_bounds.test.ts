/**
 * Goal: a join window stays within its bounds: the oldest impressions close early.
 */
import assert from "node:assert/strict";
import { JoinWindow } from "../../../actors/joiner/join_window.ts";
import type { EventRecord } from "../../../records/event_record.ts";
import { action, impression, joinerOptions } from "./records.ts";
import { join } from "./joined_records.ts";

Deno.test("one impression too many closes the oldest early", () => {
  const { examples, counts, window } = join(
    ["r1", "r2", "r3", "r4"].map((ranking) => impression({ ranking, items: ["a"], atMs: 0 })),
    joinerOptions({ impressionsMax: 2 }),
  );
  assert.deepEqual(examples.map((e) => e.name), ["r1/a", "r2/a"]);
  assert.equal(counts.impressionsClosedEarly, 2);
  assert.equal(window.impressionsOpen, 2);
});

Deno.test("the oldest impressions close early when the open ones exceed their bytes", () => {
  const shown = (ranking: string, items: number) =>
    impression({ ranking, items: Array.from({ length: items }, (_, i) => `i${i}`), atMs: 0 });
  const bytesOfTwo = join([shown("r1", 3), shown("r2", 3)]).window.heldBytes;
  const { examples, counts, window } = join(
    ["r1", "r2", "r3", "r4"].map((ranking) => shown(ranking, 3)),
    joinerOptions({ impressionsBytesMax: bytesOfTwo }),
  );
  assert.deepEqual([...new Set(examples.map((e) => e.name.split("/")[0]))], ["r1", "r2"]);
  assert.equal(counts.impressionsClosedEarly, 2);
  assert.equal(window.heldBytes, bytesOfTwo);

  const large = join(
    [shown("r1", 3), shown("large", 500), shown("r2", 3)],
    joinerOptions({ impressionsBytesMax: bytesOfTwo }),
  );
  assert.equal(
    large.window.impressionsOpen,
    1,
    "an impression beyond the limit by itself closes with the next",
  );
  assert.equal(large.examples.length, 503);
  assert.equal(large.window.heldBytes, bytesOfTwo / 2);
});

Deno.test("actions on an open impression count towards its bytes until all rows are decided", () => {
  const shown = impression({ ranking: "r1", items: ["a", "b"], atMs: 0 });
  const act = (item: string, kind: string) =>
    action({ ranking: "r1", item, action: kind, atMs: 1 });
  const bytesOf = (...records: EventRecord[]) => join(records).window.heldBytes;
  const acted = bytesOf(shown, act("a", "click"));
  assert.ok(acted >= bytesOf(shown) + 1_024);
  assert.equal(bytesOf(shown, act("a", "click"), act("b", "buy")), acted, "once a ranking");
  assert.equal(bytesOf(shown, act("a", "buy"), act("b", "buy")), 0);
  const next = impression({ ranking: "r2", items: ["a", "b"], atMs: 2 });
  const limit = joinerOptions({ impressionsBytesMax: 2 * bytesOf(shown) });
  assert.equal(join([shown, next], limit).window.impressionsOpen, 2);
  assert.equal(join([shown, act("a", "click"), next], limit).window.impressionsOpen, 1);
});

Deno.test("event ids count towards the bytes, and actions alone close the oldest impressions", () => {
  const records: EventRecord[] = [];
  for (let i = 0; i < 30; i++) {
    records.push(impression({ ranking: `r${i}`, items: ["a"], atMs: 0 }));
  }
  const impressionsBytesMax = join(records).window.heldBytes + 30 * 4_096;
  for (let i = 0; i < 30; i++) {
    for (let event = 0; event < 1_000; event++) {
      const eventId = `${i}-${event}`.padEnd(256, "x");
      records.push(action({ ranking: `r${i}`, item: "a", action: "click", atMs: 0, eventId }));
    }
  }
  const options = joinerOptions({ impressionsBytesMax, actionsPerImpressionMax: 1_000 });
  const { window, counts, examples } = join(records, options);
  assert.ok(window.heldBytes <= impressionsBytesMax, `${window.heldBytes} bytes`);
  assert.ok(counts.impressionsClosedEarly > 10, `${counts.impressionsClosedEarly} closed`);
  assert.deepEqual(examples.map(({ name }) => name), examples.map((_, i) => `r${i}/a`));
  const lastActedOn = examples.findIndex(({ label }) => label === 0);
  assert.equal(lastActedOn, -1, "an impression closes after its own actions, not before");
});

Deno.test("actions stay with their impression when its record moves in memory", () => {
  const records: EventRecord[] = [];
  const act = (i: number, kind: string) =>
    records.push(action({ ranking: `r${i}`, item: long(i), action: kind, atMs: 0 }));
  const long = (i: number) => `${i}-`.padEnd(20_000, "x");
  const stays = (i: number) => i % 25 === 0;
  for (let i = 0; i < 3_000; i++) {
    records.push(impression({ ranking: `r${i}`, items: [long(i)], atMs: 0 }));
    if (stays(i)) act(i, i % 2 === 0 ? "click" : "unknown");
    if (i >= 30 && !stays(i - 30)) act(i - 30, "buy");
  }
  records.push(impression({ ranking: "end", items: ["z"], atMs: 1_000 }));
  const { window, examples } = join(records);
  assert.ok(window.memoryBytes < 2 * window.heldBytes + 10 * 2 ** 20);
  const clicked = examples.filter(({ name }) => stays(Number(name.slice(1).split("/")[0])));
  assert.equal(clicked.length, 120);
  for (const { name, label } of clicked) {
    assert.equal(label, Number(name.slice(1).split("/")[0]) % 2 === 0 ? 1 : 0, name.slice(0, 9));
  }
});

Deno.test("a window read again from its replay point closes the same impressions early", () => {
  const item = (name: string, kib: number) => name.padEnd(kib * 1_024 - 100, "y");
  const records: EventRecord[] = [];
  const show = (ranking: string, kib: number) =>
    records.push(impression({ ranking, items: [item(ranking, kib)], atMs: records.length }));
  const buy = (ranking: string, kib: number) =>
    records.push(
      action({ ranking, item: item(ranking, kib), action: "buy", atMs: records.length }),
    );
  // Impressions decided early leave gaps in memory, other gaps than when reading starts at X.
  show("A", 150);
  show("X", 100);
  buy("A", 150);
  for (let i = 0; i < 8; i++) show(`D${i}`, 31);
  show("Y0", 12);
  for (let i = 0; i < 8; i++) buy(`D${i}`, 31);
  for (let i = 1; i < 8; i++) show(`Y${i}`, 24);
  const options = joinerOptions({ windowMs: 1e9, impressionsBytesMax: 515 * 1_024 });

  const first = join(records, options).window;
  const { replayOffset, replayClockMs } = first.replayPoint(records.length);
  assert.equal(replayOffset, 1, "X is open");
  const again = new JoinWindow(options, {
    clockMs: replayClockMs,
    rereadBefore: 0,
    openFrom: replayOffset,
    positives: undefined,
    wallMs: Infinity,
    endOffset: 0,
  });
  records.slice(replayOffset).forEach((record, i) => {
    again.observe(record, replayOffset + i);
    while (again.closeNext(record, replayOffset + i, () => undefined));
    again.accept(record, replayOffset + i, () => undefined);
  });
  assert.equal(again.counts.impressionsClosedEarly, 0);
  assert.equal(again.impressionsOpen, first.impressionsOpen);
  assert.equal(again.heldBytes, first.heldBytes);
});
