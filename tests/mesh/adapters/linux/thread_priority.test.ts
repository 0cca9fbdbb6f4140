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

const engine = `
  import { getPriority } from "node:os";
  import { moveEngineToBackground } from "${new URL(
  "../../../../mesh/adapters/linux/thread_priority.ts",
  import.meta.url,
)}";
  moveEngineToBackground();
  moveEngineToBackground(); // again changes nothing
  const nice = {};
  for (const { name } of Deno.readDirSync("/proc/self/task")) {
    const comm = Deno.readTextFileSync("/proc/self/task/" + name + "/comm").trim();
    (nice[comm] ??= []).push(getPriority(Number(name)));
  }
  console.log(JSON.stringify({ nice, own: getPriority(0) }));
`;

Deno.test({
  name:
    "V8's threads have a lower priority once they are moved to the background, and no other has",
  ignore: Deno.build.os !== "linux",
  async fn() {
    // A process of its own, since the threads help all tests of this one.
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `data:application/javascript,${encodeURIComponent(engine)}`],
    }).output();
    const { nice, own } = JSON.parse(new TextDecoder().decode(stdout));
    const names = Object.keys(nice);
    const ofEngine = names.filter((name) => name.startsWith("V8 "));
    assert.ok(ofEngine.length > 0, `threads are ${names}`);
    for (const name of names) {
      const expected = ofEngine.includes(name) ? Math.max(own, 10) : own;
      for (const priority of nice[name]) assert.equal(priority, expected, name);
    }
  },
});
