/**
 * Parts wait for their step, and come back unrun where it ends without them.
 */
import assert from "node:assert/strict";
import { PartQueue } from "../../../../server/machine/dense_threads/part_queue.ts";
import type { Part } from "../../../../server/machine/dense_threads/protocol.ts";

function partOf(number: number, index = 0): Part {
  const none = new Float32Array(0);
  const batch = { rows: 1, sparse: {}, dense: none, labels: none, logSampleRate: none };
  const share = { firstRow: 0, rowsInAll: 1 };
  return { kind: "part", number, index, batch, rows: 1, share };
}

Deno.test("parts are taken in the order of their arrival, and only those of the step", async () => {
  const queue = new PartQueue();
  const first = queue.add(partOf(1, 4));
  queue.add(partOf(1, 2));
  queue.add(partOf(2, 0));
  assert.equal(queue.take(2), undefined, "parts of an earlier step wait before them");
  const taken = queue.take(1);
  assert.equal(taken?.part.index, 4);
  taken?.resolve(taken.part.batch);
  assert.equal(await first, taken?.part.batch);
  assert.equal(queue.take(1)?.part.index, 2);
  assert.equal(queue.take(1), undefined);
  assert.equal(queue.take(2)?.part.index, 0);
});

Deno.test("the end of a step returns its parts, those that arrive later too, and keeps the next step's", async () => {
  const queue = new PartQueue();
  const [waiting, late, next] = [partOf(3), partOf(3, 1), partOf(4)];
  const returned = queue.add(waiting);
  queue.add(next);
  queue.end(3);
  assert.equal(await returned, waiting.batch);
  assert.equal(await queue.add(late), late.batch);
  assert.equal(queue.take(4)?.part, next);
});

Deno.test("a part of a step before the newest is a mistake of the sender", () => {
  const queue = new PartQueue();
  queue.add(partOf(2));
  assert.throws(() => queue.add(partOf(1)), /parts arrive in the order of their steps/);
});
