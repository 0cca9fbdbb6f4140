/**
 * Measures messages: tells and asks within a thread and between threads, and appends to the
 * embedded event log. Each case checks the arrived messages before it prints its time.
 *
 *     deno task bench:messages
 */
import assert from "node:assert/strict";
import { DenoClock } from "../../../mesh/adapters/deno/deno_clock.ts";
import { DenoRandom } from "../../../mesh/adapters/deno/deno_random.ts";
import { startWorkerThreads } from "../../../mesh/adapters/deno/worker_threads.ts";
import { EmbeddedEventLog } from "../../../mesh/adapters/embedded/embedded_event_log.ts";
import type { ActorRef } from "../../../mesh/runtime/actor.ts";
import { Mesh, placementOf, type PlannedActor } from "../../../mesh/runtime/mesh.ts";
import { Node } from "../../../mesh/runtime/node.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";
import { counterDefinition, type CounterMessage } from "../../mesh/runtime/counter_actor.ts";
import { bestMs } from "./best_ms.ts";

const budgetMs = 30_000;
const mailbox = { capacity: 1_000_000, overflow: "reject" } as const;
const plan: PlannedActor[] = ["main", "worker-1"].map((node) => ({
  kind: "counter",
  key: node,
  options: { start: 0 },
  node,
}));

function report(name: string, parameters: string, operations: number, ms: number): void {
  const perSecond = Math.round(operations / ms * 1_000).toLocaleString("en");
  const us = (ms * 1_000 / operations).toFixed(3);
  console.log(
    `${name.padEnd(34)} ${parameters.padEnd(28)} ${us.padStart(9)} us ${perSecond.padStart(12)}/s`,
  );
}

async function messages(where: string, counter: ActorRef<CounterMessage>): Promise<void> {
  const tells = 50_000;
  const count = () => counter.ask({ kind: "relay", path: [] }, { budgetMs });
  const tellMs = await bestMs(async () => {
    const before = await count();
    for (let i = 0; i < tells; i++) counter.tell({ kind: "add", amount: 1 });
    assert.equal(await count(), before + tells);
  });
  report(`tell, ${where}`, `messages=${tells}`, tells, tellMs);

  const asks = 20_000;
  const oneByOneMs = await bestMs(async () => {
    for (let i = 0; i < asks; i++) await counter.ask({ kind: "getCount" }, { budgetMs });
  });
  report(`ask, one after another, ${where}`, `asks=${asks}`, asks, oneByOneMs);

  const inFlight = 100;
  const manyMs = await bestMs(async () => {
    for (let i = 0; i < asks; i += inFlight) {
      await Promise.all(
        Array.from({ length: inFlight }, () => counter.ask({ kind: "getCount" }, { budgetMs })),
      );
    }
  });
  report(`ask, ${where}`, `inFlight=${inFlight}`, asks, manyMs);
}

async function appends(durability: "disk" | "process"): Promise<void> {
  for (
    const [batch, batches, inFlight] of [[1, 20_000, 1_000], [100, 2_000, 50], [1_000, 200, 4]]
  ) {
    const directory = Deno.makeTempDirSync();
    const log = await EmbeddedEventLog.open({
      directory,
      partitions: 1,
      mode: "write",
      durability,
    });
    const record = new Uint8Array(200).fill(7);
    const records = new Array<Uint8Array>(batch).fill(record);
    const beganMs = performance.now();
    for (let i = 0; i < batches; i += inFlight) {
      await Promise.all(Array.from({ length: inFlight }, () => log.append(0, records)));
    }
    const ms = performance.now() - beganMs;
    assert.equal(await log.endOffset(0), batch * batches);
    report(
      `append, ${durability}`,
      `records=${batch} inFlight=${inFlight} 200 B`,
      batch * batches,
      ms,
    );
    const readMs = performance.now();
    let read = 0;
    while (read < batch * batches) read += (await log.read(0, read, 4_096)).length;
    report(`  read them back`, `recordsMax=4096`, read, performance.now() - readMs);
    await log.close();
    Deno.removeSync(directory, { recursive: true });
  }
}

const home = new Node({
  name: "main",
  clock: new DenoClock(),
  random: new DenoRandom(),
  telemetry: new TelemetryRecorder(),
});
const threads = await startWorkerThreads({
  home,
  names: ["worker-1"],
  entry: new URL("../../mesh/adapters/deno/counter_worker.ts", import.meta.url),
  placement: placementOf(plan),
  setup: { mailbox },
  onCrashed: (name, cause) => console.error(name, cause),
  onFailure: (failure) => console.error(failure),
});
const mesh = new Mesh({ home, composition: { definitions: [counterDefinition({ mailbox })] } });
await mesh.start(plan);
await messages("same thread", mesh.actorRef<CounterMessage>("counter/main"));
await messages("other thread", mesh.actorRef<CounterMessage>("counter/worker-1"));
await mesh.stop();
threads.close();
await appends("disk");
await appends("process");
