/**
 * Background threads change their scheduling class as Linux reports it, in a process of its own.
 */
import assert from "node:assert/strict";

const url = (path: string) =>
  new URL(`../../../../mesh/adapters/linux/${path}`, import.meta.url).href;

/**
 * Starts a background thread that spins, then foreground threads that spin; prints the policy of
 * each thread.
 */
const program = `
  import { BackgroundThreads } from "${url("background_threads.ts")}";
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
  const still = { nowMs: () => 0, schedule: () => ({ cancel() {} }) };
  BackgroundThreads.start(still);
  await start('import { enterBackground } from "${
  url("thread_priority.ts")
}"; enterBackground();' + spin);
  const threads = BackgroundThreads.open();
  const result = { mayAdjust: threads?.adjust() ?? false, policies: [] };
  const until = async (expected) => {
    for (let tries = 0; tries < 100 && threads.schedulingClass !== expected; tries++) {
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
    threads.watch(still).stop();
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
    "a background thread runs in SCHED_IDLE, at nice 10 on a full machine, and stays at nice 10 without the right to leave SCHED_IDLE",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { mayAdjust, policies } = await run();
    if (mayAdjust) {
      const idle = policies.map((threads) =>
        Object.keys(threads).filter((name) => threads[name] === SCHED_IDLE)
      );
      const [background] = idle;
      assert.equal(background.length, 1, `${background}`);
      assert.match(background[0], / worker-/, "V8's helpers, for which others wait, are not in it");
      assert.deepEqual(
        idle,
        [background, [], background, []],
        "stopping gives background threads nice 10",
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
