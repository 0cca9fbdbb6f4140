/** The records that a server shares with an earlier run, by the notes of both. */
import assert from "node:assert/strict";
import { type ServerRun, sharedEnds } from "../../../../mesh/adapters/redis/server_past.ts";

/** A run whose past has notes such as `a0`: its name, and the end of the log at its start. */
function runOf(...notes: string[]): ServerRun {
  const past = notes.map((note) => ({
    name: note[0],
    ends: JSON.stringify({ "events/0": Number(note.slice(1)) }),
  }));
  return { id: `id ${past.at(-1)?.name}`, past };
}

const cases: readonly [name: string, before: string[], present: string[], end: number][] = [
  ["the same run", ["a0", "b4"], ["a0", "b4"], Infinity],
  ["a restart that has lost nothing", ["a0"], ["a0", "b9"], 9],
  ["several runs, of which one has lost records", ["a0"], ["a0", "b9", "c5", "d20"], 5],
  ["an old primary that followed the new one", ["a0", "b9"], ["a0", "b9", "c14"], 14],
  ["an old primary that did not", ["a0", "b9"], ["a0"], 9],
  ["an old primary that did not, in a run of its own", ["a0", "b9"], ["a0", "c12"], 9],
  ["an old primary behind two others", ["a0", "b9", "c7", "d30"], ["a0"], 7],
  ["a server whose copy ends before the note", ["a0", "b9"], ["a0", "c6"], 6],
  ["a server whose keys were deleted", ["a0", "b9"], ["c0"], 0],
  ["oldest notes that were not retained", ["a0", "b4", "c9"], ["c9", "d14"], 14],
  ["oldest notes that only the server has", ["b4", "c9"], ["a0", "b4"], 9],
];

for (const [name, before, present, end] of cases) {
  Deno.test(`${name}: what both have ends at ${end}`, () => {
    assert.deepEqual(sharedEnds(runOf(...before), runOf(...present), ["events/0"]), [end]);
  });
}

Deno.test("a store that a run did not name when it began had nothing then", () => {
  const [before, present] = [runOf("a0"), runOf("a0", "b9")];
  assert.deepEqual(sharedEnds(before, present, ["events/0", "events/1"]), [9, 0]);
});
