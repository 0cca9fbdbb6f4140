import assert from "node:assert/strict";
import fc from "fast-check";
import type { Ask } from "../../../mesh/runtime/ask.ts";
import { PendingAsks } from "../../../mesh/runtime/pending_asks.ts";
import { createAsk } from "./asks.ts";

Deno.test("pending asks answer as a Map by number does: each ask is taken once, also when answers come late or twice", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.record({ kind: fc.constant("add" as const) }),
          // Any number that was ever given, pending or not.
          fc.record({ kind: fc.constant("take" as const), given: fc.nat() }),
          fc.record({ kind: fc.constant("takeAll" as const) }),
        ),
        { maxLength: 200 },
      ),
      (steps) => {
        const pending = new PendingAsks();
        const model = new Map<number, Ask>();
        const given: number[] = [];
        for (const step of steps) {
          if (step.kind === "add") {
            const added = createAsk();
            pending.add(added);
            assert.ok(!given.includes(added.linkId), "numbers are given once");
            given.push(added.linkId);
            model.set(added.linkId, added);
          } else if (step.kind === "take" && given.length > 0) {
            const id = given[step.given % given.length];
            assert.equal(pending.take(id), model.get(id));
            model.delete(id);
          } else if (step.kind === "takeAll") {
            assert.deepEqual(pending.takeAll(), [...model.values()], "in the order of asking");
            model.clear();
          }
        }
      },
    ),
  );
});

Deno.test("a number that was never given is not pending", () => {
  const pending = new PendingAsks();
  pending.add(createAsk());
  for (const id of [0, -1, 1, 2 ** 53, NaN]) assert.equal(pending.take(id), undefined);
});

Deno.test("the index of an answered ask is used by the next ask", () => {
  const pending = new PendingAsks();
  const places = new Set<number>();
  for (let i = 0; i < 1_000; i++) {
    const added = createAsk();
    pending.add(added);
    places.add(added.linkId % 2 ** 24);
    pending.take(added.linkId);
  }
  assert.equal(places.size, 1);
});
