/**
 * Threads that yield, or interrupt others, beside those that do neither.
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

const engine = `
  import { getPriority } from "node:os";
  import { letEngineYield } from "${new URL(
  "../../../../mesh/adapters/deno/thread_priority.ts",
  import.meta.url,
)}";
  letEngineYield();
  letEngineYield(); // again changes nothing
  const nice = {};
  for (const { name } of Deno.readDirSync("/proc/self/task")) {
    const comm = Deno.readTextFileSync("/proc/self/task/" + name + "/comm").trim();
    (nice[comm] ??= []).push(getPriority(Number(name)));
  }
  console.log(JSON.stringify({ nice, own: getPriority(0) }));
`;

Deno.test({
  name: "the engine's own threads have a lower priority afterwards, and no other has",
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

const hasSlices = Deno.build.os === "linux" && "x86_64 aarch64".includes(Deno.build.arch);

Deno.test({
  name: "a thread that interrupts others has shorter slices, and its priority is what it was",
  ignore: !hasSlices,
  async fn() {
    const source = `
      import { getPriority } from "node:os";
      import { interruptOthersOnWaking } from "${new URL(
      "../../../../mesh/adapters/deno/thread_priority.ts",
      import.meta.url,
    )}";
      const before = getPriority(0);
      const taken = interruptOthersOnWaking();
      let sched = "";
      try { sched = Deno.readTextFileSync("/proc/thread-self/sched"); } catch {}
      console.log(JSON.stringify({ taken, before, after: getPriority(0), sched }));
    `;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `data:application/javascript,${encodeURIComponent(source)}`],
    }).output();
    const { taken, before, after, sched } = JSON.parse(new TextDecoder().decode(stdout));
    assert.equal(taken, true);
    assert.equal(after, before);
    const slice = /se\.slice\s*:\s*(\d+)/.exec(sched)?.[1]; // where the kernel shows it
    if (slice !== undefined) assert.equal(slice, "100000");
  },
});
