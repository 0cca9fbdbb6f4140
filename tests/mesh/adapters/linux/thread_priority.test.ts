/**
 * Priorities of background threads and of the others, as Linux reports them.
 */
import assert from "node:assert/strict";
import { getPriority } from "node:os";

const worker = `
  import { getPriority } from "node:os";
  import { enterBackground } from "${new URL(
  "../../../../mesh/adapters/linux/thread_priority.ts",
  import.meta.url,
)}";
  const before = getPriority(0);
  enterBackground();
  self.postMessage([before, getPriority(0)]);
`;

Deno.test({
  name: "a thread that enters the background has a lower priority, and no other has",
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
