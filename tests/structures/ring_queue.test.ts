import assert from "node:assert/strict";
import fc from "fast-check";
import { RingQueue } from "../../structures/ring_queue.ts";

Deno.test("a ring queue returns the entries of an array model in the same order, after any pushes and shifts", () => {
  fc.assert(fc.property(fc.array(fc.option(fc.nat())), (operations) => {
    const queue = new RingQueue<number>(2);
    const model: number[] = [];
    for (const value of operations) {
      if (value === null) assert.equal(queue.shift(), model.shift());
      else {
        queue.push(value);
        model.push(value);
      }
      assert.equal(queue.length, model.length);
    }
    while (model.length > 0) assert.equal(queue.shift(), model.shift());
    assert.equal(queue.shift(), undefined);
  }));
});
