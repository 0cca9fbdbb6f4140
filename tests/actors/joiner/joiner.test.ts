import assert from "node:assert/strict";
import fc from "fast-check";
import { defineJoiner } from "../../../actors/joiner/definition.ts";
import type { JoinerOptions } from "../../../actors/joiner/options.ts";
import { encodeEvent, type EventRecord } from "../../../records/event_record.ts";
import { decodeExamples, type ExampleChunk } from "../../../records/example_chunk.ts";
import type { EventLog } from "../../../mesh/ports/event_log.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { altered } from "../altered.ts";
import { action, impression, joinerOptions, readExamples } from "./records.ts";

class World {
  readonly mesh = new SimulatedMesh({ seed: 1 });
  readonly eventLog: MemoryEventLog;
  readonly exampleLog: MemoryEventLog;
  options: JoinerOptions;
  /** While set, appends to this partition of the example log fail, and the joiner crashes. */
  failingPartition: number | undefined;

  constructor(
    options: JoinerOptions = joinerOptions(),
    exampleBytesMax = Infinity,
    eventBytesMax = Infinity,
    partitions = 1,
  ) {
    this.options = options;
    this.eventLog = new MemoryEventLog({ partitions: 1, bytesMax: eventBytesMax });
    this.exampleLog = new MemoryEventLog({ partitions, bytesMax: exampleBytesMax });
  }

  start() {
    const exampleLog = altered<EventLog>(this.exampleLog, {
      append: (partition, records) => {
        if (partition === this.failingPartition) {
          return Promise.reject(new Error("appends to this partition fail"));
        }
        return this.exampleLog.append(partition, records);
      },
    });
    const definition = defineJoiner({ eventLog: this.eventLog, exampleLog });
    return this.mesh.settle(this.mesh.node().spawn(definition, 0, this.options));
  }

  async stopJoiner(): Promise<void> {
    await this.mesh.settle(this.mesh.node().stopActor("joiner/0", 0));
  }

  async restart(): Promise<void> {
    await this.stopJoiner();
    await this.start();
  }

  async post(...records: EventRecord[]): Promise<void> {
    await this.eventLog.append(0, records.map(encodeEvent));
    await this.mesh.advance(1);
  }

  async chunks(partition = 0): Promise<ExampleChunk[]> {
    const records = await this.exampleLog.read(partition, 0, 1e6);
    return records.map(({ bytes }) => decodeExamples(bytes));
  }

  async names(partition = 0): Promise<string[]> {
    return (await this.chunks(partition)).flatMap(readExamples).map((e) => `${e.name}=${e.label}`);
  }
}

Deno.test("an example decided by an action is in the log with the action's acceptance time", async () => {
  const world = new World();
  const joiner = await world.start();
  await world.post(
    impression({ ranking: "r1", items: ["a"], atMs: 0 }),
    action({ ranking: "r1", item: "a", action: "buy", atMs: 5, acceptedAtMs: 77.5 }),
  );
  assert.deepEqual(await world.names(), ["r1/a=1"]);
  assert.equal((await world.chunks())[0].acceptedAtMs, 77.5);
  const status = await world.mesh.settle(joiner.ask({ kind: "getStatus" }, { budgetMs: 100 }));
  assert.equal(status.examplesEmitted, 1);
  assert.equal(status.offset, 2);
  await world.mesh.stop();
});

Deno.test("an action that decides nothing moves the acceptance mark in an empty chunk", async () => {
  const world = new World();
  await world.start();
  await world.post(action({ ranking: "?", item: "a", action: "buy", atMs: 5, acceptedAtMs: 9 }));
  const [chunk] = await world.chunks();
  assert.deepEqual([chunk.rows, chunk.acceptedAtMs], [0, 9]);
  await world.mesh.stop();
});

Deno.test("a record that cannot be decoded is counted and skipped", async () => {
  const world = new World();
  const joiner = await world.start();
  await world.eventLog.append(0, [Uint8Array.of(0xc1), Uint8Array.of(0x80), Uint8Array.of(0xc0)]);
  const wrongShape = { ...impression({ ranking: "r0", items: ["a"], atMs: 0 }) };
  await world.post(
    { ...wrongShape, shown: wrongShape.shown.subarray(1) },
    impression({ ranking: "r1", items: ["a"], atMs: 0 }),
    action({ ranking: "r1", item: "a", action: "buy", atMs: 1 }),
  );
  const status = await world.mesh.settle(joiner.ask({ kind: "getStatus" }, { budgetMs: 100 }));
  assert.equal(status.recordsInvalid, 4);
  assert.deepEqual(await world.names(), ["r1/a=1"]);
  await world.mesh.stop();
});

for (const [partitions, title] of [[1, "one partition"], [3, "three partitions"]] as const) {
  Deno.test(`a full example log of ${title} makes the joiner wait without loss or repetition`, async () => {
    const world = new World(joinerOptions({ recordsPerTurn: 4 }), 1_200, Infinity, partitions);
    await world.start();
    const expected: string[] = [];
    for (let i = 0; i < 20; i++) {
      await world.post(
        impression({ ranking: `r${i}`, items: ["a"], atMs: i }),
        action({ ranking: `r${i}`, item: "a", action: "buy", atMs: i }),
      );
      expected.push(`r${i}/a=1`);
    }
    await world.mesh.advance(10_000);
    const warnings = world.mesh.telemetry.lines.filter(({ level }) => level === "warn");
    assert.equal(warnings.length, 1, "however often it tries");
    assert.match(warnings[0].message, /the joiner waits: .* its limit is 1200/);
    const seen = Array.from({ length: partitions }, () => new Map<number, string>());
    for (let round = 0; round < 200; round++) {
      for (const [partition, rows] of seen.entries()) {
        for (const chunk of await world.chunks(partition)) {
          readExamples(chunk).forEach(({ name, label }, row) => {
            rows.set(chunk.firstRow + row, `${name}=${label}`);
          });
        }
      }
      const found = seen.reduce((sum, { size }) => sum + size, 0);
      if (round === 0) assert.ok(found < 20, `${found} examples fit`);
      if (found === 20) break;
      // Trim as trainers do that have read all chunks: all but the last record.
      for (let partition = 0; partition < partitions; partition++) {
        await world.exampleLog.trim(partition, await world.exampleLog.endOffset(partition) - 1);
      }
      await world.mesh.advance(1_000);
    }
    for (const rows of seen) {
      assert.deepEqual([...rows.keys()], Array.from({ length: rows.size }, (_, row) => row));
    }
    const all = seen.flatMap((rows) => [...rows.values()]);
    assert.deepEqual(all.toSorted(), expected.toSorted());
    await world.mesh.stop();
  });
}

Deno.test("windows that end together let few chunks wait while the example log takes none", async () => {
  const world = new World(joinerOptions({ batchRows: 1, recordsPerTurn: 4 }), 2_000);
  let waitingMax = 0;
  const append = world.exampleLog.append.bind(world.exampleLog);
  world.exampleLog.append = (partition, records) => {
    waitingMax = Math.max(waitingMax, records.length);
    return append(partition, records);
  };
  await world.start();
  const expected: string[] = [];
  for (let i = 0; i < 500; i++) {
    await world.post(impression({ ranking: `r${i}`, items: ["a"], atMs: 0 }));
    expected.push(`r${i}/a=0`);
  }
  await world.post(impression({ ranking: "end", items: ["a"], atMs: 5_000 })); // closes all
  await world.mesh.advance(10_000);
  assert.ok(waitingMax <= 10, `${waitingMax} chunks waited`);
  const names = new Map<number, string>();
  for (let round = 0; names.size < expected.length && round < 1_000; round++) {
    for (const chunk of await world.chunks()) {
      readExamples(chunk).forEach(({ name, label }, row) => {
        names.set(chunk.firstRow + row, `${name}=${label}`);
      });
    }
    if (round % 5 === 2) await world.restart();
    await world.exampleLog.trim(0, await world.exampleLog.endOffset(0) - 1);
    await world.mesh.advance(1_000);
  }
  assert.deepEqual([...names.values()], expected);
  await world.mesh.stop();
});

Deno.test("while the example log takes none, a nearly full event log makes the joiner drop examples and go on", async () => {
  const world = new World(joinerOptions({ recordsPerTurn: 4, batchRows: 2 }), 4_000, 8_000);
  let joiner = await world.start();
  const status = () => world.mesh.settle(joiner.ask({ kind: "getStatus" }, { budgetMs: 100 }));
  const seen = new Map<number, string>();
  const shown: string[] = [];
  const note = async () => {
    for (const chunk of await world.chunks()) {
      readExamples(chunk).forEach(({ name, label }, row) => {
        const text = `${name}=${label}`;
        assert.equal(seen.get(chunk.firstRow + row) ?? text, text, "a row has one example");
        seen.set(chunk.firstRow + row, text);
      });
    }
  };
  const serve = async (rankings: number) => {
    for (let i = 0; i < rankings; i++) {
      const ranking = `r${shown.length}`;
      await world.post( // never refused
        impression({ ranking, items: ["a"], atMs: shown.length }),
        action({ ranking, item: "a", action: "buy", atMs: shown.length }),
      );
      shown.push(`${ranking}/a=1`);
      await world.mesh.advance(600);
    }
  };
  await serve(150);
  await note();
  const full = await status();
  assert.ok(full.examplesDropped > 50, `${full.examplesDropped} dropped`);
  assert.match(full.warning ?? "", /Nothing is learned .* dropped .* its limit is 4000/);
  const warnings = world.mesh.telemetry.lines.filter(({ level }) => level === "warn");
  assert.equal(warnings.length, 2, "it waits, it drops");
  const learnedBefore = seen.size;

  const learn = async () => {
    for (let snapshots = 0; snapshots < 20; snapshots++) {
      await note();
      await world.exampleLog.trim(0, await world.exampleLog.endOffset(0) - 1);
      await world.mesh.advance(1_000);
    }
    await note();
  };
  await learn();
  const after = await status();
  assert.equal(after.warning, undefined);
  assert.ok(seen.size > learnedBefore, "new examples reach the trainers again");
  assert.equal(Math.max(...seen.keys()), seen.size - 1, "rows without gaps");
  assert.equal(new Set(seen.values()).size, seen.size, "each example once");
  assert.equal(seen.size + after.examplesDropped, shown.length, "dropped or learned");

  await serve(100); // full again, with drops; then the process ends
  await note();
  await world.stopJoiner();
  joiner = await world.start();
  await learn();
  assert.equal((await status()).warning, undefined);
  assert.equal(Math.max(...seen.keys()), seen.size - 1, "rows without gaps");
  assert.equal(new Set(seen.values()).size, seen.size, "each example once");
  assert.equal([...seen.values()].at(-1), shown.at(-1));
  await world.mesh.stop();
});

Deno.test("whatever the example log takes, and whenever the joiner restarts, events are taken and each example comes at most once", async () => {
  const step = fc.record({
    rankings: fc.integer({ min: 1, max: 5 }),
    learns: fc.nat(4).map((n) => n === 0),
    restarts: fc.nat(5).map((n) => n === 0),
  });
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 10, maxLength: 60 }),
    fc.constantFrom(1, 3),
    async (steps, partitions) => {
      const options = joinerOptions({ recordsPerTurn: 4, batchRows: 2, impressionsMax: 8 });
      const world = new World(options, 2_500 * partitions, 8_000, partitions);
      await world.start();
      const seen = Array.from({ length: partitions }, () => new Map<number, string>());
      const note = async (trims: boolean) => {
        for (const [partition, rows] of seen.entries()) {
          for (const chunk of await world.chunks(partition)) {
            readExamples(chunk).forEach(({ name, label }, row) => {
              const text = `${name}=${label}`;
              assert.equal(rows.get(chunk.firstRow + row) ?? text, text, "a row has one example");
              rows.set(chunk.firstRow + row, text);
            });
          }
          const end = await world.exampleLog.endOffset(partition);
          if (trims && end > 0) await world.exampleLog.trim(partition, end - 1);
        }
      };
      let shown = 0;
      for (const { rankings, learns, restarts } of steps) {
        for (let i = 0; i < rankings; i++, shown++) {
          const ranking = `r${shown}`;
          await world.post( // never refused
            impression({ ranking, items: ["a", "b"], atMs: 200 * shown }),
            action({ ranking, item: "a", action: "buy", atMs: 200 * shown }),
          );
          await world.mesh.advance(600);
        }
        await note(learns);
        if (restarts) await world.restart();
      }
      for (let round = 0; round < 60; round++) {
        await note(true);
        await world.mesh.advance(600);
      }
      for (const rows of seen) {
        const numbers = [...rows.keys()].toSorted((a, b) => a - b);
        assert.deepEqual(numbers, numbers.map((_, row) => row), "rows without gaps");
      }
      const all = seen.flatMap((rows) => [...rows.values()]);
      assert.equal(new Set(all).size, all.length, "each example once");
      assert.ok(all.every((text) => /a=1$|b=0$/.test(text)));
      assert.ok(all.some((text) => text.startsWith(`r${shown - 1}/`)), "it learns again");
      await world.mesh.stop();
    },
  );
  await fc.assert(property, { numRuns: 25 });
});

Deno.test("a joiner whose position lies beyond the event log's end refuses to start, naming the log", async () => {
  const world = new World();
  await world.start();
  await world.post(
    impression({ ranking: "r1", items: ["a"], atMs: 0 }),
    action({ ranking: "r1", item: "a", action: "buy", atMs: 1 }),
  );
  await world.stopJoiner();
  const emptied = new World();
  const definition = defineJoiner({ eventLog: emptied.eventLog, exampleLog: world.exampleLog });
  const start = emptied.mesh.node().spawn(definition, 0, emptied.options);
  await assert.rejects(
    emptied.mesh.settle(start),
    /events before offset 2, .*events\/0.* offset 0/,
  );
  await emptied.mesh.stop();
  await world.mesh.stop();
});

Deno.test("a restart with a shorter window or a smaller bound loses no example", async () => {
  for (const changes of [{ windowMs: 100 }, { impressionsMax: 2 }, { impressionsBytesMax: 1 }]) {
    const world = new World(joinerOptions({ windowMs: 1e6 }));
    await world.start();
    const expected: string[] = [];
    for (let i = 0; i < 20; i++) {
      await world.post(impression({ ranking: `r${i}`, items: ["a"], atMs: 200 * i }));
      expected.push(`r${i}/a=0`);
    }
    // Decided, so that the position is behind all of them.
    await world.post(
      impression({ ranking: "bought", items: ["a"], atMs: 4_000 }),
      action({ ranking: "bought", item: "a", action: "buy", atMs: 4_000 }),
    );
    await world.stopJoiner();
    world.options = joinerOptions({ windowMs: 1e6, ...changes });
    await world.start();
    await world.post(impression({ ranking: "end", items: [], atMs: 2e6 }));
    await world.mesh.advance(10);
    assert.deepEqual(await world.names(), ["bought/a=1", ...expected]);
    await world.mesh.stop();
  }
});

Deno.test("a turn ends when its time is over, and later turns join the rest", async () => {
  const world = new World(joinerOptions({ batchRows: 1 }));
  const append = world.exampleLog.append.bind(world.exampleLog);
  world.exampleLog.append = async (partition, records) => {
    await world.mesh.clock.delay(4); // 8 chunks in 4 ms
    return await append(partition, records);
  };
  const joiner = await world.start();
  for (let i = 0; i < 200; i++) {
    await world.post(impression({ ranking: `r${i}`, items: ["a"], atMs: 0 }));
  }
  await world.post(impression({ ranking: "end", items: ["a"], atMs: 5_000 }));
  await world.mesh.advance(20);
  const { impressionsOpen } = await world.mesh.settle(
    joiner.ask({ kind: "getStatus" }, { budgetMs: 20 }),
  );
  assert.ok(impressionsOpen > 50, "it answers in the middle of the work");
  await world.mesh.advance(10_000);
  assert.equal((await world.names()).length, 200);
  await world.mesh.stop();
});

Deno.test("after the wall clock was set back, the data clock follows it and windows end again", async () => {
  const world = new World();
  const { clock } = world.mesh;
  let joiner = await world.start();
  const status = () => world.mesh.settle(joiner.ask({ kind: "getStatus" }, { budgetMs: 100 }));
  const show = async (ranking: string) => {
    const nowMs = clock.nowMs();
    await world.post(
      impression({ ranking, items: ["a"], atMs: nowMs, acceptedAtMs: nowMs }),
    );
  };
  const day = 24 * 3_600_000;
  await show("before");
  clock.stepWall(day);
  await show("ahead1");
  await show("ahead2");
  clock.stepWall(-day);
  await show("after1");
  assert.deepEqual(await world.names(), ["before/a=0"]);
  assert.match((await status()).warning ?? "", /data clock is 86400 s ahead/);
  await world.mesh.advance(61_000);
  await show("after2"); // the joiner starts anew
  await world.mesh.advance(1_000);
  joiner = world.mesh.node().actorRef("joiner/0");
  assert.equal((await status()).warning, undefined);
  assert.ok((await status()).dataClockMs <= clock.nowMs() + 100);
  await world.mesh.advance(2_000);
  await show("after3");
  assert.deepEqual(
    await world.names(),
    ["before", "ahead1", "ahead2", "after1", "after2"].map((ranking) => `${ranking}/a=0`),
  );
  await world.mesh.stop();
});

const step = fc.record({
  impression: fc.boolean(),
  again: fc.boolean(),
  ranking: fc.nat(12),
  item: fc.nat(2),
  action: fc.constantFrom("click", "buy", "dislike"),
  stepMs: fc.integer({ min: 0, max: 500 }),
  backMs: fc.integer({ min: 0, max: 300 }),
  restart: fc.boolean(),
  /** False = the record is posted together with the next one. */
  posts: fc.boolean(),
  failingPartition: fc.option(fc.nat(2), { freq: 4, nil: undefined }),
});

Deno.test("restarts at any moment change no example, its order, or that it comes once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 50 }),
      fc.constantFrom(1, 0.5),
      fc.constantFrom(1, 3),
      fc.constantFrom(0, 5),
      async (steps, rate, partitions, lingerMs) => {
        const options = joinerOptions({
          recordsPerTurn: 3,
          batchRows: 2,
          lingerMs,
          impressionsMax: 6,
          negativeSampling: { rate, seed: 3, correction: "logOdds" },
        });
        const restarted = new World(options, Infinity, Infinity, partitions);
        const steady = new World(options, Infinity, Infinity, partitions);
        await restarted.start();
        await steady.start();
        let atMs = 0;
        const rankings: string[] = [];
        let held: EventRecord[] = [];
        for (
          const [i, { impression: shows, again, ranking, item, stepMs, backMs, ...rest }] of steps
            .entries()
        ) {
          atMs += stepMs;
          const eventMs = Math.max(0, atMs - backMs);
          const known = rankings[ranking % Math.max(1, rankings.length)] ?? "none";
          const shown = again ? known : `s${i}`;
          if (shows) rankings.push(shown);
          const record = shows
            ? impression({ ranking: shown, items: ["0", "1", "2"], atMs: eventMs })
            : action({
              ranking: known,
              item: String(item),
              action: rest.action,
              atMs: eventMs,
              eventId: `e${i}`,
            });
          held.push(record);
          if (!rest.posts) continue;
          restarted.failingPartition = rest.failingPartition;
          await restarted.post(...held);
          await steady.post(...held);
          held = [];
          if (rest.failingPartition !== undefined) { // and once more while it reads again
            await restarted.restart();
            await restarted.mesh.advance(1);
          }
          restarted.failingPartition = undefined;
          if (rest.restart || rest.failingPartition !== undefined) await restarted.restart();
        }
        await restarted.post(...held);
        await steady.post(...held);
        await restarted.mesh.advance(10);
        await steady.mesh.advance(10);
        for (let partition = 0; partition < partitions; partition++) {
          assert.deepEqual(await restarted.names(partition), await steady.names(partition));
          let nextRow = 0;
          for (const { firstRow, rows } of await restarted.chunks(partition)) {
            assert.equal(firstRow, nextRow);
            assert.ok(rows <= 2, "a chunk is a batch");
            nextRow += rows;
          }
        }
        await restarted.mesh.stop();
        await steady.mesh.stop();
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("a chunk is finished at exactly `batchRows` rows, also in the middle of an impression", async () => {
  const world = new World(joinerOptions({ batchRows: 4, lingerMs: 50 }));
  await world.start();
  const items = ["a", "b", "c", "d", "e", "f"];
  await world.post(impression({ ranking: "r1", items, atMs: 0 }));
  await world.post(impression({ ranking: "r2", items, atMs: 0 }));
  await world.post(impression({ ranking: "r3", items: ["a"], atMs: 5_000 })); // closes both
  const chunks = await world.chunks();
  assert.deepEqual(chunks.map(({ rows }) => rows), [4, 4, 4]);
  // The first chunk ends inside of r1, the second inside of r2.
  assert.deepEqual(chunks.map(({ resume }) => resume!.rowsAfter), [4, 2, 0]);
  await world.mesh.stop();
});

Deno.test("a chunk that is not full waits for more rows until the linger is over", async () => {
  const world = new World(joinerOptions({ batchRows: 4, lingerMs: 50 }));
  await world.start();
  const buy = (ranking: string) => [
    impression({ ranking, items: ["a"], atMs: 0 }),
    action({ ranking, item: "a", action: "buy", atMs: 0 }),
  ];
  await world.post(...buy("r1"));
  await world.mesh.advance(30);
  await world.post(...buy("r2"));
  assert.deepEqual(await world.chunks(), []);
  await world.mesh.advance(25);
  assert.deepEqual((await world.chunks()).map(({ rows }) => rows), [2]);
  await world.mesh.stop();
});

Deno.test("a joiner that restarts after a chunk ended inside of an impression goes on with its next row", async () => {
  const items = ["a", "b", "c", "d", "e"];
  const options = joinerOptions({ batchRows: 2, lingerMs: 50 });
  const world = new World(options);
  await world.start();
  await world.post(impression({ ranking: "r1", items, atMs: 0 }));
  await world.post(impression({ ranking: "r2", items: ["a"], atMs: 5_000 })); // closes r1
  assert.deepEqual(await world.names(), items.slice(0, 4).map((item) => `r1/${item}=0`));
  await world.restart();
  await world.mesh.advance(100);
  await world.restart();
  await world.mesh.advance(100);
  assert.deepEqual(await world.names(), items.map((item) => `r1/${item}=0`));
  await world.mesh.stop();
});

Deno.test("the event log is trimmed up to the oldest impression that a restart needs", async () => {
  const world = new World();
  await world.start();
  await world.post(impression({ ranking: "r1", items: ["a"], atMs: 0 }));
  await world.post(impression({ ranking: "r2", items: ["a"], atMs: 900 }));
  await world.mesh.advance(2_000);
  await world.post(impression({ ranking: "r3", items: ["a"], atMs: 1_000 })); // closes r1
  assert.deepEqual(await world.names(), ["r1/a=0"]);
  assert.equal((await world.eventLog.read(0, 0, 10))[0].offset, 1);
  await world.mesh.stop();
});

Deno.test("decided records are trimmed although no further event comes", async () => {
  const world = new World();
  await world.start();
  await world.post(
    impression({ ranking: "r1", items: ["a"], atMs: 0 }),
    action({ ranking: "r1", item: "a", action: "buy", atMs: 1 }),
  );
  await world.mesh.advance(2_000);
  assert.deepEqual(await world.eventLog.read(0, 0, 10), []);
  await world.mesh.stop();
});

Deno.test("the event log is trimmed past negatives that sampling dropped", async () => {
  const world = new World(
    joinerOptions({ negativeSampling: { rate: 1e-9, seed: 1, correction: "logOdds" } }),
  );
  await world.start();
  await world.post(impression({ ranking: "r1", items: ["a"], atMs: 0 }));
  await world.post(impression({ ranking: "r2", items: ["a"], atMs: 5_000 }));
  await world.mesh.advance(2_000);
  assert.deepEqual(await world.names(), []);
  assert.deepEqual((await world.eventLog.read(0, 0, 10)).map(({ offset }) => offset), [1]);
  await world.mesh.stop();
});

Deno.test("a full event log drains under steady traffic, and every item becomes one example", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ records: fc.integer({ min: 1, max: 12 }), restart: fc.boolean() }), {
        minLength: 1,
        maxLength: 30,
      }),
      async (bursts) => {
        const week = 7 * 24 * 3_600_000;
        const world = new World(
          joinerOptions({ windowMs: week, recordsPerTurn: 4, batchRows: 3 }),
          Infinity,
          4_000,
        );
        let joiner = await world.start();
        const shown: string[] = [];
        let refused = 0;
        for (const { records, restart } of bursts) {
          for (let i = 0; i < records; i++) {
            const ranking = `f${shown.length}`;
            const record = impression({ ranking, items: ["a"], atMs: 0 });
            await world.eventLog.append(0, [encodeEvent(record)]).then(
              () => shown.push(`${ranking}/a=0`),
              () => refused++,
            );
          }
          await world.mesh.advance(1);
          if (restart) {
            await world.stopJoiner();
            joiner = await world.start();
            await world.mesh.advance(1);
          }
          assert.equal(world.eventLog.refusal(), undefined, "there is room again");
        }
        const { bytes, bytesMax } = world.eventLog.usage();
        assert.ok(bytes < 0.75 * bytesMax, `${bytes} of ${bytesMax} bytes are left`);
        const names = await world.names();
        const status = await world.mesh.settle(
          joiner.ask({ kind: "getStatus" }, { budgetMs: 100 }),
        );
        assert.deepEqual(names, shown.slice(0, names.length));
        assert.equal(names.length + status.impressionsOpen, shown.length);
        await world.mesh.stop();
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("a joiner that starts on a full event log drains it", async () => {
  const world = new World(joinerOptions({ windowMs: 1e9 }), Infinity, 4_000);
  const record = encodeEvent(impression({ ranking: "r", items: ["a"], atMs: 0 }));
  while (await world.eventLog.append(0, [record]).then(() => true, () => false));
  await world.start();
  await world.mesh.advance(1);
  await world.eventLog.append(0, [record]);
  await world.mesh.stop();
});

Deno.test("`recordsKept` gives way before an impression is closed early", async () => {
  const world = new World(joinerOptions({ recordsKept: 1e6 }), Infinity, 8_000);
  const joiner = await world.start();
  const show = (ranking: string) => impression({ ranking, items: ["a"], atMs: 0 });
  const act = (ranking: string) => action({ ranking, item: "a", action: "buy", atMs: 0 });
  for (let i = 0; i < 20; i++) {
    await world.post(show(`open${i}`));
    for (let j = 0; j < 6; j++) await world.post(show(`k${i}-${j}`), act(`k${i}-${j}`));
    await world.mesh.advance(2_000);
    if (i === 0) assert.equal((await world.eventLog.read(0, 0, 1))[0].offset, 0, "kept");
    await world.post(act(`open${i}`));
  }
  const status = await world.mesh.settle(joiner.ask({ kind: "getStatus" }, { budgetMs: 100 }));
  assert.equal(status.impressionsClosedEarly, 0);
  assert.equal(status.examplesEmitted, 140);
  await world.mesh.stop();
});

Deno.test("all examples of a ranking go to one partition, and acceptance marks go to all", async () => {
  const world = new World(joinerOptions(), Infinity, Infinity, 2);
  await world.start();
  for (let i = 0; i < 20; i++) {
    await world.post(
      impression({ ranking: `r${i}`, items: ["a", "b"], atMs: i }),
      action({ ranking: `r${i}`, item: "a", action: "buy", atMs: i, acceptedAtMs: 2 * i }),
      action({ ranking: `r${i}`, item: "b", action: "buy", atMs: i, acceptedAtMs: 2 * i + 1 }),
    );
  }
  const parts = [await world.names(0), await world.names(1)];
  for (const names of parts) {
    assert.ok(names.length > 0);
    const rankings = names.map((name) => name.split("/")[0]);
    for (const ranking of rankings) {
      assert.equal(rankings.filter((other) => other === ranking).length, 2);
    }
  }
  assert.equal(parts.flat().length, 40);
  for (const partition of [0, 1]) {
    assert.equal((await world.chunks(partition)).at(-1)!.acceptedAtMs, 39);
  }
  await world.mesh.stop();
});
