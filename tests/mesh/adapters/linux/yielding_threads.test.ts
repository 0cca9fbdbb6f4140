/**
 * Threads that yield: when they stand where, and that Linux does what is asked.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  nextStanding,
  type ThreadTimes,
} from "../../../../mesh/adapters/linux/yielding_threads.ts";

const idles: ThreadTimes = { ranMs: 0, waitedMs: 0, runnable: false };
const works: ThreadTimes = { ranMs: 120, waitedMs: 130, runnable: true };
const starves: ThreadTimes = { ranMs: 4, waitedMs: 900, runnable: true };
const wasNeverRun: ThreadTimes = { ranMs: 0, waitedMs: 0, runnable: true };
const getsItsTenth: ThreadTimes = { ranMs: 150, waitedMs: 850, runnable: true };

Deno.test("threads that get what they want give way to all others", () => {
  assert.equal(nextStanding("nice", [idles, works]), "idle");
  assert.equal(nextStanding("idle", [idles, works]), "idle");
  assert.equal(nextStanding("nice", []), "idle");
});

Deno.test("one that starves brings all of them back, and they stay while the machine is full", () => {
  assert.equal(nextStanding("idle", [works, starves]), "nice");
  assert.equal(nextStanding("idle", [idles, wasNeverRun]), "nice");
  assert.equal(nextStanding("nice", [works, getsItsTenth]), "nice");
  assert.equal(nextStanding("idle", [works, getsItsTenth]), "idle", "a tenth is what nice gives");
});

Deno.test("a short wait changes nothing, however little the thread ran", () => {
  assert.equal(nextStanding("idle", [{ ranMs: 0.1, waitedMs: 200, runnable: false }]), "idle");
});

Deno.test("more running never brings threads back, more waiting never sends them away", () => {
  const times = fc.record({
    ranMs: fc.double({ min: 0, max: 1_000, noNaN: true }),
    waitedMs: fc.double({ min: 0, max: 1_000, noNaN: true }),
    runnable: fc.boolean(),
  });
  const rank = { nice: 0, idle: 1 };
  fc.assert(fc.property(
    fc.constantFrom("nice" as const, "idle" as const),
    fc.array(times, { minLength: 1, maxLength: 5 }),
    fc.double({ min: 0, max: 1_000, noNaN: true }),
    (standing, threads, more) => {
      const [first, ...rest] = threads;
      const before = rank[nextStanding(standing, threads)];
      const ran = nextStanding(standing, [{ ...first, ranMs: first.ranMs + more }, ...rest]);
      assert.ok(rank[ran] >= before);
      if (first.ranMs === 0) return; // that it was never run says more than how long it waited
      const waited = nextStanding(standing, [
        { ...first, waitedMs: first.waitedMs + more },
        ...rest,
      ]);
      assert.ok(rank[waited] <= before);
    },
  ));
});

const url = (path: string) =>
  new URL(`../../../../mesh/adapters/linux/${path}`, import.meta.url).href;

/** A thread that yields and spins, then others that spin; prints where the first stands. */
const program = `
  import { YieldingThreads } from "${url("yielding_threads.ts")}";
  import { letEngineYield } from "${url("thread_priority.ts")}";
  const spin = "const endMs = performance.now() + 60_000; self.postMessage(0);" +
    "setTimeout(() => { while (performance.now() < endMs); });";
  const start = (code) => new Promise((resolve) => {
    const thread = new Worker("data:application/javascript," + encodeURIComponent(code), { type: "module" });
    thread.onmessage = () => resolve(thread);
  });
  const policies = () => Object.fromEntries(Array.from(Deno.readDirSync("/proc/self/task"), ({ name }) => {
    const stat = Deno.readTextFileSync("/proc/self/task/" + name + "/stat");
    const comm = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    return [name + " " + comm, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[38])];
  }));
  letEngineYield();
  await start('import { yieldToOtherThreads } from "${
  url("thread_priority.ts")
}"; yieldToOtherThreads();' + spin);
  const threads = YieldingThreads.open();
  const result = { mayAdjust: threads?.adjust() ?? false, policies: [] };
  const until = async (standing) => {
    for (let tries = 0; tries < 100 && threads.standing !== standing; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      threads.adjust();
    }
    result.policies.push(policies());
  };
  if (result.mayAdjust) {
    await until("idle");
    const others = await Promise.all(Array.from({ length: 2 * navigator.hardwareConcurrency }, () => start(spin)));
    await until("nice");
    for (const thread of others) thread.terminate();
    await until("idle");
    threads.watch({ schedule: () => ({ cancel() {} }) }).stop();
    await until("nice");
  } else result.policies.push(policies());
  console.log(JSON.stringify(result));
  Deno.exit();
`;

async function run(...wrapper: string[]): Promise<{
  mayAdjust: boolean;
  policies: Record<string, number>[];
}> {
  const [command, ...args] = [
    ...wrapper,
    Deno.execPath(),
    "run",
    "-A",
    `data:application/javascript,${encodeURIComponent(program)}`,
  ];
  const { stdout, stderr } = await new Deno.Command(command, { args }).output();
  const [said, failed] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.ok(said.length > 0, failed);
  return JSON.parse(said);
}

const SCHED_OTHER = 0;
const SCHED_IDLE = 5;

Deno.test({
  name:
    "a thread that yields runs idle, gets its share while the machine is full, and nothing without the right to come back",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { mayAdjust, policies } = await run();
    if (mayAdjust) {
      const idle = policies.map((threads) =>
        Object.keys(threads).filter((name) => threads[name] === SCHED_IDLE)
      );
      const [yielding] = idle;
      assert.ok(yielding.every((name) => / (V8 |worker)/.test(name)), `${yielding}`);
      assert.equal(yielding.filter((name) => name.includes("worker-")).length, 1, `${yielding}`);
      assert.deepEqual(
        idle,
        [yielding, [], yielding, []],
        "and has its share when nobody looks any more",
      );
    }
    const withoutCapability = Deno.uid() === 0
      ? ["setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice"]
      : [];
    const unprivileged = await run("prlimit", "--nice=0:0", ...withoutCapability);
    assert.equal(unprivileged.mayAdjust, false);
    for (const policy of Object.values(unprivileged.policies[0])) assert.equal(policy, SCHED_OTHER);
  },
});
