/**
 * A thread that yields, beside one that does not.
 */
import assert from "node:assert/strict";
import { getPriority } from "node:os";

const worker = `
  import { getPriority } from "node:os";
  import { yieldToOtherThreads } from "${new URL(
  "../../../../mesh/adapters/deno/thread_priority.ts",
  import.meta.url,
)}";
  const before = getPriority(0);
  yieldToOtherThreads();
  self.postMessage([before, getPriority(0)]);
`;

Deno.test({
  name: "the thread that yields has a lower priority afterwards, and no other has",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const own = getPriority(0);
    const thread = new Worker(`data:application/javascript,${encodeURIComponent(worker)}`, {
      type: "module",
    });
    const [before, after] = await new Promise<number[]>((resolve, reject) => {
      thread.onmessage = ({ data }) => resolve(data);
      thread.onerror = reject;
    });
    thread.terminate();
    assert.equal(before, own, "a worker begins as the thread that started it");
    assert.equal(after, Math.max(own, 10));
    assert.equal(getPriority(0), own);
  },
});
