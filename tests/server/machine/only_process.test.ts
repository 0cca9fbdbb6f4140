/** One process without a mesh, another one beside it, and hosts. */
import assert from "node:assert/strict";
import { MemoryRecordStore } from "../../../mesh/adapters/memory/memory_record_store.ts";
import { ProcessRunsError, StaleManifestError } from "../../../mesh/ports/coordination_errors.ts";
import {
  RecordsLostError,
  type RecordStore,
  RecordStoreUnavailableError,
} from "../../../mesh/ports/record_store.ts";
import { Coordinator } from "../../../mesh/runtime/coordination/coordinator.ts";
import { json, recordKeys, records } from "../../../mesh/runtime/coordination/record_keys.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { HostsRunError, OnlyProcess } from "../../../server/machine/only_process.ts";
import { descriptionOf, meshSettings } from "../../mesh/placement/model.ts";

const MINUTE_MS = 60_000;
const LEASE_MS = 5_000;
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
  /** Times that the store has lost records: one that was open before takes no others. */
  losses = 0;
  /** Transactions that are answered; the next one is made, and its answer is lost. */
  answers = Infinity;
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

  /** @param named Default: as another process. */
  open(named: { readonly id?: string } = { id: crypto.randomUUID() }): Promise<OnlyProcess> {
    const opening = OnlyProcess.open({
      ...named,
      openStore: () => this.#openStore(),
      clock: this.clock,
      onWarning: (warning) => this.warnings.push(warning),
      onReplaced: (error) => this.replaced.push(error),
    });
    opening.catch(() => {});
    return opening;
  }

  /** As {@link open}, where others have not given their leases back. */
  async openLater(): Promise<OnlyProcess> {
    const opening = this.open();
    await this.clock.advance(LEASE_MS);
    return await opening;
  }

  #openStore(): RecordStore {
    const { losses } = this;
    return {
      transact: async (rule, options) => {
        if (this.losses > losses) throw new RecordsLostError("the Redis", 7, 0);
        const isAnswered = this.answers-- > 0;
        if (this.isAway) {
          await new Promise<void>((late) => void this.clock.schedule(this.answerMs, late));
        } else {
          const result = await this.store.transact(rule, options);
          if (isAnswered) return result;
        }
        throw new RecordStoreUnavailableError("the Redis", new Error("away"));
      },
      watch: (since, timeoutMs) => this.store.watch(since, timeoutMs),
      close: () => Promise.resolve(),
    };
  }

  /** The store is away for some time. */
  async goAway(forMs: number): Promise<void> {
    this.isAway = true;
    await this.clock.advance(forMs);
    this.isAway = false;
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
  await processes.write(processes.clock.nowMs() + LEASE_MS);
  const opening = processes.open();
  await processes.clock.advance(LEASE_MS - 1);
  assert.match(processes.warnings[0], /process 7 on m1.*Stop it first.*5 s more.*This one waits/);
  await assert.rejects(join(processes), ProcessRunsError);
  await processes.clock.advance(1);
  await (await opening).close();
});

Deno.test("after an absence of the store a process and hosts come back before one that starts", async () => {
  const processes = new Processes();
  const process = await processes.open();
  await processes.goAway(MINUTE_MS);
  const besideProcess = processes.open();
  await processes.clock.advance(LEASE_MS);
  await assert.rejects(besideProcess, ProcessRunsError);
  assert.deepEqual(processes.replaced, []);
  await process.close();

  await join(processes);
  await processes.clock.advance(MINUTE_MS + 1);
  const besideHosts = processes.open();
  await processes.clock.advance(LEASE_MS - 1);
  assert.match(processes.warnings[1], /were not stopped \(a\)\. This process waits 5 s/);
  await processes.coordination.renew(run);
  await processes.clock.advance(1);
  await assert.rejects(besideHosts, HostsRunError);
  await processes.coordination.renew(run);
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
  const process = await processes.openLater();
  const snapshot = { name: "snapshots/1", after: 0, generation, epochs: {} };
  await assert.rejects(processes.coordination.publishManifest(snapshot), StaleManifestError);
  await assert.rejects(
    processes.coordination.renew(run),
    /Host "a" was removed .* its lease expired, .*The process must stop/,
  );
  await assert.rejects(join(processes), ProcessRunsError);
  await processes.clock.advance(MINUTE_MS);
  assert.deepEqual(processes.replaced, []);
  await process.close();
});

Deno.test("a host that has renewed while a process waited is not removed, late as it is again", async () => {
  const processes = new Processes();
  await join(processes);
  await processes.clock.advance(MINUTE_MS + 1);
  const process = processes.open();
  await processes.clock.advance(1_000);
  await processes.store.transact((view) => {
    const host = records.host(view, run.host);
    assert.ok(host);
    view.set(recordKeys.host(run.host), json({ ...host, expiresMs: view.nowMs + 1 }));
  });
  await processes.clock.advance(LEASE_MS);
  await assert.rejects(process, HostsRunError);
  assert.ok((await processes.coordination.read()).hosts.has(run.host));
});

Deno.test("a clock that was set back stops no process, and lets none begin beside it", async () => {
  for (const backMs of [3_000, 3_600_000]) {
    const processes = new Processes();
    await join(processes);
    await processes.clock.advance(2 * MINUTE_MS);
    const process = await processes.openLater(); // the host was killed long ago
    processes.backMs = backMs;
    const beside = processes.open();
    await processes.clock.advance(MINUTE_MS);
    await assert.rejects(beside, ProcessRunsError);
    assert.deepEqual(processes.replaced, []);
    await process.close();
  }
});

Deno.test("a clock that was set back delays a start by one lease", async () => {
  const processes = new Processes();
  await processes.write(processes.clock.nowMs() + 3_600_000);
  await (await processes.openLater()).close();
});

Deno.test("a start whose answer was lost does not wait for itself", async () => {
  const processes = new Processes();
  processes.answers = 1; // it has looked for others, and writes its lease
  await assert.rejects(processes.open({}), RecordStoreUnavailableError);
  processes.answers = Infinity;
  await (await processes.open({})).close();
  assert.deepEqual(processes.warnings, []);
});

Deno.test("a process whose records were lost takes its lease again", async () => {
  const processes = new Processes();
  const process = await processes.open();
  processes.losses++;
  await processes.clock.advance(MINUTE_MS);
  await assert.rejects(join(processes), ProcessRunsError);
  await process.close();
});

Deno.test("a store that is away for longer than a lease changes nothing", async () => {
  const processes = new Processes();
  const process = await processes.open();
  await processes.goAway(MINUTE_MS);
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
  for (const expiresMs of [processes.clock.nowMs() + LEASE_MS, 0]) {
    // Also one that has ended since.
    await processes.write(expiresMs);
    await assert.rejects(process.publisher.begin(undefined), ProcessRunsError);
    await assert.rejects(snapshot.publish("snapshots/2"), ProcessRunsError);
    assert.equal(await snapshot.recordOldest("snapshots/2"), false);
  }
  await processes.clock.advance(LEASE_MS);
  assert.equal(processes.replaced.length, 1);
  await process.close();
});

Deno.test("a snapshot of a process that has given its lease back does not count", async () => {
  const processes = new Processes();
  const process = await processes.open();
  const snapshot = await process.publisher.begin(undefined);
  await process.close();
  await assert.rejects(snapshot.publish("snapshots/1"), /has given its lease on the logs back/);
  await (await processes.open()).close(); // at once
});

/** A host joins the mesh. */
async function join({ coordination }: Processes): Promise<void> {
  await coordination.open(settings);
  await coordination.join(descriptionOf(run));
}
