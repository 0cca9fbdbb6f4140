import assert from "node:assert/strict";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import { encodeEvent, type EventRecord, readRows } from "../../../records/event_record.ts";
import { encodeExamples } from "../../../records/example_chunk.ts";
import { earlyActions } from "../../../simulation/checkers/early_actions.ts";
import { fingerprintOf } from "../../../structures/fingerprint.ts";
import { exampleColumnsOf } from "../../../kernels/features/schema_fingerprint.ts";
import { action, COLUMNS, impression, joinerOptions } from "../../actors/joiner/records.ts";

const ranked = impression({ ranking: "r", items: ["a", "b"], atMs: 0, acceptedAtMs: 1_000 });
const columns = exampleColumnsOf(COLUMNS, ["liked"]);

function acted(name: string, acceptedAtMs = 1_200, ranking = "r") {
  return action({ ranking, item: "a", action: name, atMs: 0, acceptedAtMs });
}

/** The checker of a log, and the promises that it has seen broken. */
function watch(log: readonly EventRecord[]) {
  const failures: string[] = [];
  const partitions = { events: 1, examples: 1 };
  const checker = earlyActions({ joiner: joinerOptions(), partitions })({
    nowMs: () => 0,
    fail: (message) => void failures.push(message),
  });
  log.forEach((record, i) => checker.durable?.("events", 0, [encodeEvent(record)], i));
  return {
    failures,
    checker,
    /** A chunk with an example of r/a, behind which all records are decided. */
    decided(label: number, replayOffset = log.length) {
      const builder = new ExampleChunkBuilder(columns, 0);
      builder.add({
        features: readRows(ranked).featuresOfRowAlone(0),
        row: 0,
        labels: Float32Array.of(label),
        logSampleRate: 0,
        servedPrediction: 0.5,
        ranking: fingerprintOf("r").low,
        atMs: 0,
        trace: undefined,
      });
      const position = { eventOffset: log.length, replayClockMs: 0, rowsAfter: 0 };
      const chunk = builder.finish(0, { ...position, replayOffset });
      checker.durable?.("examples", 0, [encodeExamples(chunk)], 0);
      return failures;
    },
  };
}

Deno.test("an early action whose ranking gives a negative example breaks the promise", () => {
  assert.match(watch([acted("click"), ranked]).decided(0)[0], /an action on r .* example of a$/);
  assert.deepEqual(watch([acted("click"), ranked]).decided(1), []);
});

Deno.test("the acceptance time of the ranking does not matter", () => {
  assert.equal(watch([acted("click", 400), ranked]).decided(0).length, 1);
});

Deno.test("nothing is owed before the ranking is decided", () => {
  const { failures, decided } = watch([acted("click"), ranked]);
  assert.deepEqual(decided(0, 1), []);
  decided(0, 2);
  assert.equal(failures.length, 1);
});

const forget: EventRecord = {
  kind: "forget",
  erasureId: "e",
  pass: 1,
  user: "u",
  atMs: 0,
  acceptedAtMs: 1_300,
};
const others = (count: number) =>
  Array.from({ length: count }, (_, i) => acted("click", 1_300 + i, `other-${i}`));

for (
  const [why, log] of [
    ["an action behind its ranking, which other checkers watch", [ranked, acted("click")]],
    ["an action that the rules take as negative", [acted("dislike"), ranked]],
    ["an action that a negative one follows", [acted("click"), ranked, acted("dislike")]],
    ["an action that waits more than 10 s", [acted("click"), acted("look", 11_201, "o"), ranked]],
    ["an action that 64 others follow", [acted("click"), ...others(64), ranked]],
    ["an action of an erased user", [acted("click"), ranked, forget]],
    ["an action on a ranking that comes twice", [acted("click"), ranked, ranked]],
  ] satisfies [string, EventRecord[]][]
) {
  Deno.test(`no example is owed for ${why}`, () => {
    assert.deepEqual(watch(log).decided(0), []);
  });
}

Deno.test("an action that waits for 10 s, or with 63 others, is owed its example", () => {
  const log = [acted("click"), acted("look", 11_200, "o"), ranked];
  assert.equal(watch(log).decided(0).length, 1);
  assert.equal(watch([acted("click"), ...others(63), ranked]).decided(0).length, 1);
});

Deno.test("the promise ends when Redis loses records, or the joiner drops examples", () => {
  const lost = watch([acted("click"), ranked]);
  lost.checker.tailLost?.("events", 0, 1);
  assert.deepEqual(lost.decided(0), []);
  const full = watch([acted("click"), ranked]);
  full.checker.logged?.("the joiner drops examples, the event log is full: …", "");
  assert.deepEqual(full.decided(0), []);
});
