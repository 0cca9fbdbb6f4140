import assert from "node:assert/strict";
import { BegunThreads } from "../../../../mesh/adapters/deno/begun_threads.ts";
import { DenoClock } from "../../../../mesh/adapters/deno/deno_clock.ts";
import { DenoRandom } from "../../../../mesh/adapters/deno/deno_random.ts";
import {
  startWorkerThreads,
  type WorkerThreads,
} from "../../../../mesh/adapters/deno/worker_threads.ts";
import type { Address } from "../../../../mesh/runtime/actor.ts";
import type { ActorFailure } from "../../../../mesh/runtime/actor_statistics.ts";
import { ActorFailedError, AskTimeoutError } from "../../../../mesh/runtime/errors.ts";
import { Mesh, placementOf, type PlannedActor } from "../../../../mesh/runtime/mesh.ts";
import { Node } from "../../../../mesh/runtime/node.ts";
import { TelemetryRecorder } from "../../../../mesh/simulation/telemetry_recorder.ts";
import { counterDefinition, type CounterMessage } from "../../runtime/counter_actor.ts";

const budgetMs = 5_000;
const plan: PlannedActor[] = [
  { kind: "counter", key: "0", options: { start: 1 }, node: "worker-1" },
  { kind: "counter", key: "1", options: { start: 2 }, node: "worker-2" },
  { kind: "counter", key: "2", options: { start: 3 }, node: "main" },
];

interface Started {
  readonly mesh: Mesh;
  readonly threads: WorkerThreads;
  readonly crashes: string[];
  readonly failures: ActorFailure[];
  readonly telemetry: TelemetryRecorder;
  counter(key: number): ReturnType<typeof counterRef>;
}

const counterRef = (mesh: Mesh, key: number) =>
  mesh.actorRef<CounterMessage>(`counter/${key}` as Address);

const entry = new URL("./counter_worker.ts", import.meta.url);

async function start(
  setup: Record<string, unknown> = {},
  begin = plan,
  begun?: BegunThreads,
): Promise<Started> {
  const telemetry = new TelemetryRecorder();
  const home = new Node({
    name: "main",
    clock: new DenoClock(),
    random: new DenoRandom(),
    telemetry,
  });
  const crashes: string[] = [];
  const failures: ActorFailure[] = [];
  const threads = await startWorkerThreads({
    home,
    names: ["worker-1", "worker-2"],
    entry,
    begun,
    placement: placementOf(begin),
    setup,
    onCrashed: (name, cause) => crashes.push(`${name}: ${cause.message}`),
    onFailure: (failure) => failures.push(failure),
  });
  const mesh = new Mesh({ home, composition: { definitions: [counterDefinition()] } });
  await mesh.start(begin);
  return { mesh, threads, crashes, failures, telemetry, counter: (key) => counterRef(mesh, key) };
}

async function stop({ mesh, threads }: Started): Promise<Record<string, number>> {
  const abandoned = await mesh.stop(1_000);
  threads.close();
  return abandoned;
}

Deno.test("actors in worker threads answer, keep order, and ask each other directly", async () => {
  const started = await start();
  const counter = started.counter(0);
  for (let i = 0; i < 900; i++) counter.tell({ kind: "add", amount: 1 });
  counter.tell({ kind: "add", amount: 5 });
  const relayed = await counter.ask({ kind: "relay", path: [] }, { budgetMs });
  assert.equal(relayed, 906, "the ask is a write too and came after the tells");
  const path: Address[] = ["counter/1", "counter/2"];
  assert.equal(await counter.ask({ kind: "relay", path }, { budgetMs }), 3);
  assert.deepEqual(await stop(started), {});
});

Deno.test("threads that were begun before are used, and the others are made or ended", async () => {
  const begun = new BegunThreads(entry, ["worker-2", "worker-3"]);
  const started = await start({}, plan, begun);
  assert.equal(await started.counter(1).ask({ kind: "getCount" }, { budgetMs }), 2);
  assert.equal(begun.take("worker-2"), undefined);
  begun[Symbol.dispose]();
  assert.equal(await started.counter(0).ask({ kind: "getCount" }, { budgetMs }), 1);
  assert.deepEqual(await stop(started), {});
});

Deno.test("a thread whose module fails before it is used is made again, and then reported", async () => {
  const missing = new URL("./no_such_worker.ts", import.meta.url);
  const begun = new BegunThreads(missing, ["worker-1"]);
  const home = new Node({
    name: "main",
    clock: new DenoClock(),
    random: new DenoRandom(),
    telemetry: new TelemetryRecorder(),
  });
  const starting = startWorkerThreads({
    home,
    names: ["worker-1"],
    entry: missing,
    begun,
    placement: [],
    setup: {},
    onCrashed: () => {},
    onFailure: () => {},
  });
  await assert.rejects(starting, /worker worker-1 crashed: .*no_such_worker/);
  begun[Symbol.dispose]();
});

Deno.test("log fields cross threads unchanged, lists included", async () => {
  const logs = { slots: ["user", "item"], numbers: [3, [4]], rows: 5, none: null };
  const started = await start({ logs });
  const { lines } = started.telemetry;
  assert.deepEqual(lines.find(({ message }) => message === "begins")?.fields, logs);
  await stop(started);
});

Deno.test("float buffers are moved to a worker and back", async () => {
  const started = await start();
  const values = new Float32Array(1 << 16).fill(0.5);
  const answer = started.counter(0).ask(
    { kind: "sumOf", values },
    { budgetMs, transfer: [values.buffer] },
  );
  await Promise.resolve();
  const { sum, values: returned } = await answer;
  assert.equal(values.length, 0, "it left this thread");
  assert.equal(sum, 1 << 15);
  assert.equal(returned.length, 1 << 16);
  await stop(started);
});

Deno.test("a timeout in a worker reports the time in its mailbox and handler", async () => {
  const started = await start();
  // On a busy machine the worker may not run before the grace period ends; then the asker's error
  // names no handler.
  let message = "";
  for (let attempt = 0; attempt < 20 && !message.includes("handler"); attempt++) {
    const error = await started.counter(0).ask({ kind: "answerLater" }, { budgetMs: 30 })
      .catch((reason) => reason);
    assert.ok(error instanceof AskTimeoutError);
    message = error.message;
  }
  assert.match(
    message,
    /^ask timeout 30 ms: counter\/0 on worker-1: queued \d.* handler \d+ ms; chain counter\/0\.$/,
  );
  await stop(started);
});

Deno.test("a message that cannot be cloned fails alone and says why", async () => {
  const started = await start();
  const bad = { kind: "sumOf", values: () => 1 } as unknown as { kind: "getCount" };
  const counter = started.counter(0);
  const [refused, answered] = await Promise.allSettled([
    counter.ask(bad, { budgetMs }),
    counter.ask({ kind: "getCount" }, { budgetMs }),
  ]);
  assert.equal(refused.status, "rejected");
  assert.match(String(refused.reason), /cannot be sent to worker-1: DataCloneError/);
  assert.deepEqual(answered, { status: "fulfilled", value: 1 });
  await stop(started);
});

Deno.test("an actor that crashes in a worker restarts there, and too many crashes are reported", async () => {
  const started = await start();
  const counter = started.counter(1);
  const error = await counter.ask({ kind: "crashOnAsk" }, { budgetMs }).catch((reason) => reason);
  assert.ok(error instanceof ActorFailedError);
  assert.match(error.message, /counter\/1 failed: Error: asked to crash/);
  assert.equal(await counter.ask({ kind: "getCount" }, { budgetMs }), 2);
  for (let i = 0; i < 3; i++) counter.tell({ kind: "crash" });
  await assert.rejects(counter.ask({ kind: "relay", path: [] }, { budgetMs }), ActorFailedError);
  assert.equal(started.failures[0]?.address, "counter/1");
  assert.equal(started.failures[0]?.node, "worker-2");
  await stop(started);
});

Deno.test("a worker that cannot compose fails the start with its reason", async () => {
  await assert.rejects(
    start({ failWith: "no such directory" }),
    /worker worker-\d cannot start: Error: no such directory/,
  );
});

Deno.test("asks to a worker whose thread crashes fail at once and name the thread", async () => {
  const crashGate = new Int32Array(new SharedArrayBuffer(4));
  const started = await start({ crashGate });
  const answer = started.counter(0).ask({ kind: "answerLater" }, { budgetMs: 20_000 })
    .catch((reason) => reason);
  Atomics.store(crashGate, 0, 1);
  const error = await answer;
  assert.ok(error instanceof ActorFailedError);
  assert.match(error.message, /worker-1 is gone: worker worker-1 crashed: .*a bug outside every/);
  assert.match(started.crashes[0], /^worker-[12]: worker worker-[12] crashed/);
  await stop(started);
});
