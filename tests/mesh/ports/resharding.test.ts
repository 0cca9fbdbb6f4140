import assert from "node:assert/strict";
import {
  changedNumbers,
  changeWords,
  type ReshardRecord,
  wayBack,
} from "../../../mesh/ports/resharding.ts";

const change = (fields: Partial<ReshardRecord>): ReshardRecord => ({
  parts: "partitions",
  division: 1,
  from: 1,
  to: 1,
  state: "asked",
  planBefore: 0,
  ...fields,
});

Deno.test("a change of partitions names the numbers that it changes alone", () => {
  const examples = change({ examples: { from: 1, to: 4 } });
  assert.equal(changeWords(examples), "from 1 to 4 partitions of the example log");
  const events = change({ to: 2, examples: { from: 4, to: 4 } });
  assert.equal(changeWords(events), "from 1 to 2 partitions of the event log");
  const all = change({ to: 2, examples: { from: 1, to: 4 }, trainers: { from: 1, to: 3 } });
  assert.equal(
    changeWords(all),
    "from 1 to 2 partitions of the event log and from 1 to 4 partitions of the example log and " +
      "from 1 to 3 trainers",
  );
  assert.deepEqual(changedNumbers(change({ parts: "shards", from: 4, to: 8 })), [
    { from: 4, to: 8, noun: "shards" },
  ]);
});

Deno.test("the way back from a change sets every number to the one before", () => {
  const all = change({ to: 2, examples: { from: 1, to: 4 }, trainers: { from: 1, to: 3 } });
  assert.equal(
    wayBack(all),
    "set joiner.partitions to 1, trainer.partitions to 1, trainer.count to 1 and run cairn apply",
  );
  assert.equal(
    wayBack(change({ parts: "trainers", from: 2, to: 3 })),
    "set trainer.count to 2 and run cairn apply",
  );
  assert.equal(
    wayBack(change({ parts: "shards", from: 4, to: 8 })),
    "run cairn reshard --shards 4",
  );
});
