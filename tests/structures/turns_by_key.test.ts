import assert from "node:assert/strict";
import { TurnsByKey } from "../../structures/turns_by_key.ts";

Deno.test("work on one key runs in the order of the calls, also after a failure", async () => {
  const turns = new TurnsByKey();
  const seen: string[] = [];
  const first = Promise.withResolvers<void>();
  const runs = [
    turns.run("a", async () => {
      await first.promise;
      seen.push("a1");
      throw new Error("failed");
    }),
    turns.run("a", () => Promise.resolve(seen.push("a2"))),
    turns.run("b", () => Promise.resolve(seen.push("b"))),
    turns.run("a", () => Promise.resolve(seen.push("a3"))),
  ];
  await runs[2];
  assert.deepEqual(seen, ["b"], "another key does not wait");
  first.resolve();
  const [failed, ...others] = await Promise.allSettled(runs);
  assert.equal(failed.status, "rejected");
  assert.deepEqual(others.map(({ status }) => status), ["fulfilled", "fulfilled", "fulfilled"]);
  assert.deepEqual(seen, ["b", "a1", "a2", "a3"]);
  assert.equal(turns.size, 0);
});
