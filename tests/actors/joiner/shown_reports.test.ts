/**
 * Reports of shown items: rows that no report and no action names give no example. The order and
 * the number of the reports before the window closes change nothing.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import { JoinWindow } from "../../../actors/joiner/join_window.ts";
import type { EventRecord, ImpressionRecord } from "../../../records/event_record.ts";
import { action, COLUMNS, impression, joinerOptions, readExamples, report } from "./records.ts";

function join(records: readonly EventRecord[], options = joinerOptions()) {
  const window = new JoinWindow(options);
  const out = new ExampleChunkBuilder({ ...COLUMNS, tasks: 1 }, 0);
  records.forEach((record, offset) => {
    window.observe(record, offset);
    while (window.closeNext(record, offset, () => out));
    window.accept(record, offset, () => out);
  });
  const examples = readExamples(out.finish(0)).map(({ name, label }) => [name, label]);
  return { examples, counts: window.counts };
}

const ranked = impression({ ranking: "r", items: ["a", "b", "c"], atMs: 0 });
const awaits: ImpressionRecord = { ...ranked, awaitsShown: true };
/** Closes the window of {@link ranked}. */
const end = impression({ ranking: "end", items: ["x"], atMs: 1_000 });
const shownOnly = (...items: string[]) => report({ ranking: "r", items, atMs: 10 });
const click = (item: string) => action({ ranking: "r", item, action: "click", atMs: 20 });

Deno.test("without a report all items count as shown", () => {
  const { examples, counts } = join([ranked, click("b"), end]);
  assert.deepEqual(examples, [["r/a", 0], ["r/b", 1], ["r/c", 0]]);
  assert.equal(counts.rowsNotShown, 0);
});

Deno.test("after a report only its items are learned from", () => {
  const { examples, counts } = join([ranked, shownOnly("c", "a"), end]);
  assert.deepEqual(examples, [["r/a", 0], ["r/c", 0]]);
  assert.deepEqual([counts.reportsMatched, counts.rowsNotShown], [1, 1]);
});

Deno.test("an action shows that its item was shown, before or after the report", () => {
  const expected = [["r/a", 0], ["r/b", 1]];
  assert.deepEqual(join([ranked, click("b"), shownOnly("a"), end]).examples, expected);
  assert.deepEqual(join([ranked, shownOnly("a"), click("b"), end]).examples, expected);
});

Deno.test("an action that no label rule reads shows its item too", () => {
  const look = action({ ranking: "r", item: "b", action: "look", atMs: 5 });
  assert.deepEqual(join([ranked, look, shownOnly("a"), end]).examples, [["r/a", 0], ["r/b", 0]]);
});

Deno.test("a final action is learned from at once, and a later report leaves it", () => {
  const buy = action({ ranking: "r", item: "b", action: "buy", atMs: 5 });
  assert.deepEqual(join([ranked, buy, shownOnly("a"), end]).examples, [["r/b", 1], ["r/a", 0]]);
});

Deno.test("a ranking that awaits reports teaches nothing without one", () => {
  const { examples, counts } = join([awaits, end]);
  assert.deepEqual([examples, counts.rowsNotShown], [[], 3]);
});

Deno.test("a ranking that awaits reports learns from actions without one", () => {
  assert.deepEqual(join([awaits, click("c"), end]).examples, [["r/c", 1]]);
});

Deno.test("a report after the window changes nothing and is counted as late", () => {
  const { examples, counts } = join([ranked, end, shownOnly("a")]);
  assert.deepEqual(examples, [["r/a", 0], ["r/b", 0], ["r/c", 0]]);
  assert.deepEqual([counts.reportsLate, counts.reportsMatched], [1, 0]);
});

Deno.test("a report on a decided ranking that is kept for late labels is late", () => {
  const [task] = joinerOptions().tasks;
  const options = joinerOptions({ tasks: [{ ...task, lateMs: 9_000 }] });
  assert.equal(join([ranked, end, shownOnly("a")], options).counts.reportsLate, 1);
});

Deno.test("a report on a ranking that no log has is counted as unmatched", () => {
  const unknown = report({ ranking: "none", items: ["a"], atMs: 0 });
  assert.equal(join([ranked, unknown, end]).counts.reportsUnmatched, 1);
});

Deno.test("items that the ranking does not have are ignored", () => {
  assert.deepEqual(join([ranked, shownOnly("z"), end]).examples, []);
});

Deno.test("reports in any order, split and repeated, teach what one report teaches", () => {
  const item = fc.constantFrom("a", "b", "c");
  const reports = fc.array(fc.array(item, { minLength: 1 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(reports, fc.boolean(), fc.array(item, { maxLength: 2 }), (lists, waits, clicks) => {
      const first = waits ? awaits : ranked;
      const actions = clicks.map((id, i) => ({ ...click(id), eventId: `e${i}` }));
      const all = [...new Set(lists.flat())];
      const whole = join([first, shownOnly(...all), ...actions, end]);
      const split = join([first, ...actions, ...lists.map((list) => shownOnly(...list)), end]);
      const again = join([
        first,
        ...lists.toReversed().flatMap((list) => [list, list].map((items) => shownOnly(...items))),
        ...actions,
        end,
      ]);
      assert.deepEqual(split.examples, whole.examples);
      assert.deepEqual(again.examples, whole.examples);
    }),
  );
});
