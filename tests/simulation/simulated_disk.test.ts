/**
 * The simulated disk: the production stores keep their promises on it, and it loses what a real one
 * may lose.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import { makeDirectory } from "../../mesh/adapters/embedded/durable_directory.ts";
import {
  EmbeddedEventLog,
  type EmbeddedEventLogOptions,
} from "../../mesh/adapters/embedded/embedded_event_log.ts";
import { isNotFound, type OpenFile } from "../../mesh/ports/files.ts";
import { LogUnavailableError } from "../../mesh/ports/event_log.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { DATA_DIRECTORY, MachineDisk } from "../../simulation/disk/machine_disk.ts";
import { SimulatedFiles } from "../../simulation/disk/simulated_files.ts";
import { KeyedHash } from "../../simulation/keyed_hash.ts";
import { NodeClock } from "../../simulation/world/node_clock.ts";
import { blobStoreContract } from "../contracts/blob_store_contract.ts";
import { eventLogContract } from "../contracts/event_log_contract.ts";

const bytes = (...values: number[]) => new Uint8Array(values);
const EVENTS = `${DATA_DIRECTORY}/events`;

/** A machine whose process can be started again and again. */
class Machine {
  readonly base = new VirtualClock();
  readonly durable: number[] = [];
  readonly blobs: string[] = [];
  readonly disk = new MachineDisk({
    durable: (_log, _partition, records) => this.durable.push(...records.map(([first]) => first)),
    blobStored: (name) => void this.blobs.push(`+${name}`),
    blobDeleted: (name) => void this.blobs.push(`-${name}`),
    lost: () => {},
  });
  clock = new NodeClock(this.base, () => {});
  files = this.#files();
  #incarnations = 0;

  constructor(readonly syncMs = 1) {}

  /** @param power Draws the losses of the power failure; undefined where only the process dies. */
  restart(power?: KeyedHash): void {
    this.clock.revoke();
    if (power !== undefined) this.disk.losePower(power);
    this.clock = new NodeClock(this.base, () => {});
    this.files = this.#files();
  }

  #files(): SimulatedFiles {
    const incarnation = this.#incarnations++;
    const files = new SimulatedFiles({
      disk: this.disk,
      clock: this.clock,
      user: `test-${incarnation}`,
      draws: new KeyedHash(7, `test/${incarnation}`),
      syncMs: this.syncMs,
      extraMs: () => 0,
    });
    makeDirectory(EVENTS, files);
    return files;
  }

  open(options: Partial<EmbeddedEventLogOptions> = {}): Promise<EmbeddedEventLog> {
    const { files, clock } = this;
    return this.settle(EmbeddedEventLog.open({
      directory: EVENTS,
      partitions: 1,
      mode: "write",
      ...options,
      files,
      clock,
    }));
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return this.base.settle(promise);
  }

  write(path: string, at: number, content: Uint8Array): OpenFile {
    const file = this.files.openSync(path, { create: true, read: true, write: true });
    file.seekSync(at, 0);
    assert.equal(file.writeSync(content), content.byteLength);
    return file;
  }
}

/** Lets virtual time pass as long as a test runs. */
function pump(base: VirtualClock): () => void {
  let ended = false;
  const turn = () => {
    if (ended) return;
    base.advance(1).then(turn);
  };
  turn();
  return () => void (ended = true);
}

for (const size of [{ segmentBytesMax: 32 }, {}]) {
  eventLogContract(
    `embedded event log on a simulated disk, ${JSON.stringify(size)}`,
    async (options) => {
      const machine = new Machine(0);
      let log = await machine.open({ ...options, ...size });
      const stop = pump(machine.base);
      const { files, clock } = machine;
      return {
        log,
        async reopen() {
          await log.close();
          return log = await EmbeddedEventLog.open({
            ...options,
            directory: EVENTS,
            mode: "write",
            ...size,
            files,
            clock,
          });
        },
        async dispose() {
          await log.close();
          stop();
        },
      };
    },
  );
}

blobStoreContract("directory blob store on a simulated disk", () => {
  const machine = new Machine(0);
  const stop = pump(machine.base);
  const store = new DirectoryBlobStore(`${DATA_DIRECTORY}/blobs`, machine.files);
  return Promise.resolve({ store, dispose: () => Promise.resolve(stop()) });
});

Deno.test("over power failures a log keeps what was durable, in order, and never part of a record", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.array(fc.tuple(fc.nat(1_500), fc.boolean(), fc.nat(9)), { maxLength: 30 }),
      async (seed, steps) => {
        const machine = new Machine();
        let log = await machine.open({ segmentBytesMax: 2_000 });
        let next = 0;
        let durable = 0;
        for (const [size, waits, fate] of steps) {
          const record = new Uint8Array(4 + size).fill(next);
          new DataView(record.buffer).setUint32(0, next++);
          const append = log.append(0, [record], "durable");
          const end = next;
          append.then(() => durable = end, () => {});
          if (waits) await machine.settle(append);
          else await machine.settle(Promise.resolve());
          if (fate > 1) continue;
          machine.restart(fate === 0 ? new KeyedHash(seed, "power") : undefined);
          log = await machine.open({ segmentBytesMax: 2_000 });
          const kept = await log.read(0, 0, 1_000);
          assert.ok(kept.length >= durable, `${kept.length} records of ${durable} durable ones`);
          kept.forEach(({ bytes }, i) => {
            assert.equal(new DataView(bytes.slice().buffer).getUint32(0), i);
            assert.ok(bytes.subarray(4).every((byte) => byte === (i & 0xff)));
          });
          next = durable = kept.length;
          assert.equal(machine.disk.logs.partition("events", 0).durable, kept.length);
        }
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("a power failure keeps, drops and tears unsynced writes, and leaves synced ones alone", () => {
  const fates = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const machine = new Machine();
    const path = `${EVENTS}/file`;
    const file = machine.write(path, 0, new Uint8Array(2_048).fill(1));
    file.syncSync();
    machine.files.syncDirectorySync(EVENTS);
    machine.write(path, 0, new Uint8Array(2_048).fill(2));
    machine.restart(new KeyedHash(seed, "power"));
    const kept = machine.files.readFileSync(path);
    assert.equal(kept.byteLength, 2_048);
    const values = new Set<number>();
    for (let sector = 0; sector < 4; sector++) {
      const of = new Set(kept.subarray(512 * sector, 512 * (sector + 1)));
      assert.equal(of.size, 1, "a sector is whole");
      for (const value of of) values.add(value);
    }
    fates.add([...values].sort().join());
  }
  assert.deepEqual([...fates].sort(), ["1", "1,2", "2"]);
});

Deno.test("a name is durable once its directory is synced, and a rename is there or not", () => {
  const left = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const machine = new Machine();
    const { files } = machine;
    machine.write(`${EVENTS}/old`, 0, bytes(1)).syncSync();
    files.syncDirectorySync(EVENTS);
    machine.write(`${EVENTS}/new.tmp`, 0, bytes(2)).syncSync();
    files.rename(`${EVENTS}/new.tmp`, `${EVENTS}/old`);
    machine.restart(new KeyedHash(seed, "power"));
    left.add(
      [...machine.files.readDirSync(EVENTS)].map(({ name }) =>
        `${name}=${machine.files.readFileSync(`${EVENTS}/${name}`).join()}`
      ).sort().join(" "),
    );
  }
  assert.deepEqual([...left].sort(), ["new.tmp=2 old=1", "old=1", "old=2"]);
});

Deno.test("a removed directory is gone with all that was below it once its parent is synced", () => {
  for (let seed = 0; seed < 10; seed++) {
    const { disk } = new Machine();
    const [outer, inner] = [`${EVENTS}/outer`, `${EVENTS}/outer/inner`];
    disk.makeDirectory(inner);
    disk.makeFile(`${inner}/file`);
    for (const folder of ["/simulated", EVENTS, outer, inner]) disk.syncDirectory(folder);
    for (const path of [`${inner}/file`, inner, outer]) disk.remove(path);
    disk.syncDirectory(EVENTS);
    disk.losePower(new KeyedHash(seed, "power"));
    assert.deepEqual([...disk.files()].map(([path]) => path), []);
  }
});

Deno.test("after a failed sync the cache shows what the disk lacks, until it is dropped", () => {
  const machine = new Machine();
  const path = `${EVENTS}/file`;
  machine.write(path, 0, bytes(1)).syncSync();
  const file = machine.write(path, 0, bytes(2));
  machine.disk.faults.events.syncsFailUntilMs = 1;
  assert.throws(() => file.syncSync(), /input\/output error/);
  machine.disk.heal();
  file.syncSync(); // works, and writes nothing
  assert.deepEqual([...machine.files.readFileSync(path)], [2]);
  machine.files.dropCachedPages(path);
  assert.deepEqual([...machine.files.readFileSync(path)], [1]);
});

Deno.test("a full area refuses, in the middle of a write too, and takes writes again", async () => {
  const machine = new Machine();
  const log = await machine.open();
  await machine.settle(log.append(0, [bytes(1)]));
  machine.disk.faults.events.fullUntilMs = machine.base.monotonicMs() + 100;
  for (let i = 0; i < 10; i++) {
    await assert.rejects(machine.settle(log.append(0, [bytes(2)])), LogUnavailableError);
  }
  assert.ok(log.refusal() instanceof LogUnavailableError);
  await machine.base.advance(101);
  assert.equal(log.refusal(), undefined);
  assert.equal(await machine.settle(log.append(0, [bytes(3)])), 1);
  assert.deepEqual(machine.durable, [1, 3]);
});

Deno.test("a bit that flips in one read is noticed, and the log reads the block again", async () => {
  const machine = new Machine();
  const log = await machine.open();
  for (let i = 0; i < 20; i++) {
    await machine.settle(log.append(0, [bytes(i, i, i)]));
    machine.disk.faults.events.flipsNextRead = true;
    const [{ bytes: read }] = await log.read(0, i, 1);
    assert.deepEqual([...read], [i, i, i]);
  }
});

Deno.test("a dead process changes nothing and gets no answer", async () => {
  const machine = new Machine();
  const { files } = machine;
  const file = machine.write(`${EVENTS}/file`, 0, bytes(1));
  const sync = file.sync();
  sync.then(() => assert.fail("it was answered"), () => assert.fail("it was answered"));
  machine.restart();
  await machine.base.advance(1_000);
  assert.throws(() => file.writeSync(bytes(2)), /dead/);
  assert.throws(() => files.openSync(`${EVENTS}/file`, {}), /dead/);
  assert.deepEqual([...machine.files.readFileSync(`${EVENTS}/file`)], [1]);
  assert.throws(() => machine.files.statSync(`${EVENTS}/none`), isNotFound);
});

Deno.test("a stalled thread's callbacks wait, in order, and a revoked one's never run", async () => {
  const { base, clock } = new Machine();
  const ran: string[] = [];
  clock.stall(100);
  clock.schedule(10, () => ran.push("a"));
  clock.schedule(20, () => ran.push("b")).cancel();
  clock.schedule(30, () => ran.push("c"));
  await base.advance(99);
  assert.equal(ran.length, 0);
  await base.advance(2);
  assert.deepEqual(ran, ["a", "c"] as string[]);
  clock.schedule(10, () => ran.push("d"));
  clock.revoke();
  await base.advance(100);
  assert.deepEqual(ran, ["a", "c"] as string[]);
});

Deno.test("the bytes of a log's segments are counted through writes, removals and power failures", () => {
  const step = fc.record({
    kind: fc.constantFrom("write", "truncate", "remove", "drop", "sync", "syncNames", "power"),
    file: fc.constantFrom("0/a.segment", "0/b.segment", "1/a.segment", "0/other.json"),
    bytes: fc.integer({ min: 0, max: 700 }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const machine = new Machine(0);
    const { disk } = machine;
    for (const folder of ["0", "1"]) disk.makeDirectory(`${EVENTS}/${folder}`);
    for (const folder of ["/", "/simulated", EVENTS]) disk.syncDirectory(folder);
    for (const [i, { kind, file, bytes: size }] of steps.entries()) {
      const path = `${EVENTS}/${file}`;
      const found = disk.find(path);
      const content = found === undefined || found === "directory" ? disk.makeFile(path) : found;
      if (kind === "write") content.write(content.size, new Uint8Array(size));
      else if (kind === "truncate") content.truncate(size);
      else if (kind === "remove") disk.remove(path);
      else if (kind === "drop") content.dropCache();
      else if (kind === "sync") disk.endSync(path, content, content.syncMark());
      else if (kind === "syncNames") disk.syncDirectory(`${EVENTS}/${file[0]}`);
      else disk.losePower(new KeyedHash(i, "test"));
      let expected = 0;
      for (const [name, { size: held }] of disk.files()) {
        if (name.endsWith(".segment")) expected += held;
      }
      assert.equal(disk.logBytes("events"), expected);
    }
  }));
});

Deno.test("synced names in a directory are durable with its own name, whichever was synced first", () => {
  for (const order of [["/", "/a", "/a/b"], ["/a/b", "/a", "/"], ["/a", "/", "/a/b"]]) {
    const { disk } = new Machine(0);
    disk.makeDirectory("/a/b");
    disk.makeFile("/a/b/file");
    for (const path of order) disk.syncDirectory(path);
    disk.losePower(new KeyedHash(1, "power"));
    assert.notEqual(disk.find("/a/b/file"), undefined, order.join());
  }
});

Deno.test("a directory that was removed and made again has none of its former names", () => {
  for (let seed = 0; seed < 20; seed++) {
    const { disk } = new Machine(0);
    disk.makeDirectory("/a");
    disk.makeFile("/a/old");
    for (const path of ["/a", "/"]) disk.syncDirectory(path);
    disk.remove("/a/old");
    disk.remove("/a");
    disk.makeDirectory("/a");
    disk.syncDirectory("/");
    disk.losePower(new KeyedHash(seed, "power"));
    assert.deepEqual(disk.names("/a"), []);
  }
});

Deno.test("a blob is durable although a sync of its new folder failed at the first attempt", async () => {
  const machine = new Machine(0);
  const stop = pump(machine.base);
  const store = () => new DirectoryBlobStore(`${DATA_DIRECTORY}/blobs`, machine.files);
  machine.disk.syncDirectory("/");
  machine.disk.syncDirectory(DATA_DIRECTORY);
  const first = store();
  machine.disk.faults.blobs.syncsFailUntilMs = Infinity;
  await assert.rejects(first.put("keeper/0/1/part", bytes(1)), /while syncing/);
  machine.disk.heal();
  await first.put("keeper/0/1/part", bytes(2));
  for (let seed = 0; seed < 5; seed++) {
    machine.restart(new KeyedHash(seed, "power"));
    assert.deepEqual(await store().get("keeper/0/1/part"), bytes(2));
  }
  stop();
});
