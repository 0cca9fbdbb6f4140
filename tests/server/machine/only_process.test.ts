/** One process without a mesh, another one beside it, and hosts. */
import assert from "node:assert/strict";
import { MemoryRecordStore } from "../../../mesh/adapters/memory/memory_record_store.ts";
import { ProcessRunsError, StaleManifestError } from "../../../mesh/ports/coordination_errors.ts";
import { RecordsLostError, RecordStoreUnavailableError } from "../../../mesh/ports/record_store.ts";
import { Coordinator } from "../../../mesh/runtime/coordination/coordinator.ts";
import { json, recordKeys } from "../../../mesh/runtime/coordination/record_keys.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { HostsRunError, OnlyProcess } from "../../../server/machine/only_process.ts";
import { descriptionOf, meshSettings } from "../../mesh/placement/model.ts";

const MINUTE_MS = 60_000;
const settings = meshSettings({ shards: 1 });
const run = { host: "a", incarnation: "a-1" };

/** A store that can be away, and the processes that open it. */
class Processes {
  readonly clock;
  readonly store;
  readonly coordination;
  readonly warnings: string[] = [];
  readonly replaced: Error[] = [];
  isAway = false;
  /** Time after which the store says that it is away, ms. */
  answerMs = 0;
  /** Thrown once in place of the next transaction. */
  lost: RecordsLostError | undefined;
  /** Time by which the store's clock was set back, ms. */
  backMs = 0;

  constructor() {
    const { clock, random } = new SimulatedMesh({ seed: 1 });
    this.clock = clock;
    this.store = new MemoryRecordStore({
      nowMs: () => clock.nowMs() - this.backMs,
      monotonicMs: () => clock.monotonicMs(),
      schedule: (delayMs, callback) => clock.schedule(delayMs, callback),
    });
    this.coordination = new Coordinator({
      ...{ store: this.store, random },
      ...{ hostTtlMs: MINUTE_MS, controlTtlMs: MINUTE_MS },
    });
  }

  open(): Promise<OnlyProcess> {
    const opening = OnlyProcess.open({
      id: crypto.randomUUID(),
      openStore: () => ({
        transact: async (rule, options) => {
          const lost = this.lost;
          this.lost = undefined;
          if (lost !== undefined) throw lost;
          if (this.isAway) {
            await new Promise<void>((late) => void this.clock.schedule(this.answerMs, late));
            throw new RecordStoreUnavailableError("the Redis", new Error("away"));
          }
          return await this.store.transact(rule, options);
        },
        watch: (since, timeoutMs) => this.store.watch(since, timeoutMs),
        close: () => Promise.resolve(),
      }),
      clock: this.clock,
      onWarning: (warning) => this.warnings.push(warning),
      onReplaced: (error) => this.replaced.push(error),
    });
    opening.catch(() => {});
    return opening;
  }

  /** Writes the lease of a process that does not run here. */
  async write(expiresMs: number): Promise<void> {
    const process = { id: "other", machine: "m1", pid: 7, expiresMs };
    await this.store.transact((view) => view.setQuietly(recordKeys.process, json(process)));
  }
}

Deno.test("a second process is refused while the first renews its lease", async () => {
  const processes = new Processes();
  const first = await processes.open();
  await processes.clock.advance(MINUTE_MS);
  const second = processes.open();
  await processes.clock.advance(10_000);
  await assert.rejects(second, ProcessRunsError);
  await first.close();
  await (await processes.open()).close();
  assert.equal(processes.warnings.length, 1, "a process that has ended is not waited for");
  assert.deepEqual(processes.replaced, []);
});

Deno.test("a process waits for the lease of one that was killed, and says so", async () => {
  const processes = new Processes();
  await processes.write(processes.clock.nowMs() + 3_000);
  const opening = processes.open();
  await processes.clock.advance(2_999);
  assert.match(processes.warnings[0], /process 7 on m1.*Stop it first.*3 s more.*This one waits/);
  await assert.rejects(processes.coordination.open(settings).then(() => join(processes)), {
    name: "ProcessRunsError",
  });
  await processes.clock.advance(1);
  await (await opening).close();
});

Deno.test("a process that stood still stops where another one has the logs", async () => {
  const processes = new Processes();
  const process = await processes.open();
  await processes.write(processes.clock.nowMs() + 5_000);
  await processes.clock.advance(4_000);
  assert.equal(processes.replaced.length, 1);
  assert.match(processes.replaced[0].message, /process 7 on m1/);
  await process.close();
  await assert.rejects(join(processes), ProcessRunsError, "the lease of the other one stays");
});

Deno.test("hosts and one process refuse each other", async () => {
  const processes = new Processes();
  const process = await processes.open();
  await assert.rejects(join(processes), ProcessRunsError);
  await process.close();
  await join(processes);
  await assert.rejects(processes.open(), HostsRunError);
});

Deno.test("a host that stood still for longer than its lease ends where a process has begun", async () => {
  const processes = new Processes();
  await join(processes);
  await processes.clock.advance(MINUTE_MS + 1);
  const { generation } = await processes.coordination.read();
  const process = await processes.open();
  const snapshot = { name: "snapshots/1", after: 0, generation, epochs: {} };
  await assert.rejects(processes.coordination.publishManifest(snapshot), StaleManifestError);
  await assert.rejects(
    processes.coordination.renew(run),
    /Host "a" was removed .* its lease expired\. The process must stop/,
  );
  await assert.rejects(join(processes), ProcessRunsError);
  await processes.clock.advance(MINUTE_MS);
  assert.deepEqual(processes.replaced, []);
  await process.close();
});

Deno.test("a clock that was set back stops no process, and delays no start", async () => {
  const processes = new Processes();
  await join(processes);
  await processes.clock.advance(2 * MINUTE_MS);
  const process = await processes.open(); // the host was killed long ago
  processes.backMs = 3_600_000;
  await processes.clock.advance(MINUTE_MS);
  assert.deepEqual(processes.replaced, []);
  await process.close();

  const others = new Processes();
  await others.write(others.clock.nowMs() + 3_600_000);
  await (await others.open()).close();
  assert.deepEqual(others.warnings, []);
});

Deno.test("a process whose records were lost takes its lease again", async () => {
  const processes = new Processes();
  const process = await processes.open();
  processes.lost = new RecordsLostError("the Redis", 7, 0);
  await processes.clock.advance(MINUTE_MS);
  await assert.rejects(join(processes), ProcessRunsError);
  await process.close();
});

Deno.test("a store that is away for longer than a lease changes nothing", async () => {
  const processes = new Processes();
  const process = await processes.open();
  processes.isAway = true;
  await processes.clock.advance(MINUTE_MS);
  processes.isAway = false;
  await processes.clock.advance(10_000);
  await assert.rejects(join(processes), ProcessRunsError);
  await process.close();
  assert.deepEqual(processes.replaced, []);
});

Deno.test("an end waits for a store that stands still as long as for one answer", async () => {
  const processes = new Processes();
  const process = await processes.open();
  processes.isAway = true;
  processes.answerMs = 2_000;
  await processes.clock.advance(3_000); // a renewal is under way
  let isClosed = false;
  void process.close().then(() => isClosed = true);
  await processes.clock.advance(1_999);
  assert.equal(isClosed, false);
  await processes.clock.advance(1);
  assert.equal(isClosed, true);
});

Deno.test("a snapshot of a process that another one has followed does not count", async () => {
  const processes = new Processes();
  const process = await processes.open();
  const snapshot = await process.publisher.begin(undefined);
  await snapshot.publish("snapshots/1");
  assert.equal(await snapshot.recordOldest("snapshots/1"), true);
  const leaseMs = 5_000;
  for (const expiresMs of [processes.clock.nowMs() + leaseMs, 0]) {
    // Also one that has ended since.
    await processes.write(expiresMs);
    await assert.rejects(process.publisher.begin(undefined), ProcessRunsError);
    await assert.rejects(snapshot.publish("snapshots/2"), ProcessRunsError);
    assert.equal(await snapshot.recordOldest("snapshots/2"), false);
  }
  await processes.clock.advance(leaseMs);
  assert.equal(processes.replaced.length, 1);
  await process.close();
});

/** A host joins the mesh. */
async function join({ coordination }: Processes): Promise<void> {
  await coordination.open(settings);
  await coordination.join(descriptionOf(run));
}
