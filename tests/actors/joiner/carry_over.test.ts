/**
 * The joiners of another partitioning take over what the joiners before them have not decided.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { defineJoiner } from "../../../actors/joiner/definition.ts";
import type { JoinerOptions } from "../../../actors/joiner/options.ts";
import { readCarryOver } from "../../../actors/joiner/read_carry_over.ts";
import type { RowColumns } from "../../../kernels/features/schema_fingerprint.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { LogFullError } from "../../../mesh/ports/event_log.ts";
import {
  numbersOf,
  type PartitionCounts,
  partitioningsOf,
} from "../../../mesh/ports/partitioning.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { encodeEvent, type EventRecord } from "../../../records/event_record.ts";
import { decodeExamples } from "../../../records/example_chunk.ts";
import { presentPartition } from "../../../records/ranking_partition.ts";
import { present } from "../../../structures/invariant.ts";
import { action, COLUMNS, impression, joinerOptions, readExamples, shownRows } from "./records.ts";

class World {
  readonly mesh = new SimulatedMesh({ seed: 1 });
  readonly eventLog: MemoryEventLog;
  readonly exampleLog: MemoryEventLog;
  #options: Partial<JoinerOptions>;
  #counts: readonly PartitionCounts[];
  readonly #running = new Set<number>();

  constructor(options: Partial<JoinerOptions> = {}, examples = 1, eventBytesMax = Infinity) {
    this.#options = options;
    this.eventLog = new MemoryEventLog({ partitions: 1, bytesMax: eventBytesMax });
    this.#counts = [{ events: 1, examples }];
    this.exampleLog = new MemoryEventLog({ partitions: examples });
  }

  get present(): number[] {
    return numbersOf(partitioningsOf(this.#counts).at(-1)!.events);
  }

  start(partition: number): Promise<unknown> {
    const definition = defineJoiner({ eventLog: this.eventLog, exampleLog: this.exampleLog });
    const options = {
      ...joinerOptions(this.#options),
      partition,
      partitionings: this.#counts,
    };
    this.#running.add(partition);
    return this.mesh.node().spawn(definition, partition, options);
  }

  async stop(partition: number): Promise<void> {
    this.#running.delete(partition);
    await this.mesh.settle(this.mesh.node().stopActor(`joiner/${partition}`, 0));
  }

  async restart(partition: number): Promise<void> {
    if (this.#running.has(partition)) await this.stop(partition);
    await this.mesh.settle(this.start(partition));
  }

  /** Restarts the joiners with another time for late labels, ms; 0 = none is awaited. */
  async awaitLateLabels(lateMs: number): Promise<void> {
    const [task] = joinerOptions().tasks;
    this.#options = { ...this.#options, tasks: [{ ...task, lateMs }] };
    for (const partition of [...this.#running]) await this.restart(partition);
  }

  /** Another partitioning: the joiners before are made anew, and those of the new one begin. */
  async repartition(counts: PartitionCounts): Promise<void> {
    const before = [...this.#running];
    this.#counts = [...this.#counts, counts];
    for (const partition of before) await this.stop(partition);
    const started = [...this.present, ...before].map((partition) => this.start(partition));
    // A joiner that waits for one before is made when that has ended.
    const made = Promise.allSettled(started);
    await this.mesh.advance(500);
    if (before.length > 0) await this.mesh.settle(made);
  }

  async post(ranking: string, ...records: EventRecord[]): Promise<void> {
    const partition = presentPartition(ranking, this.eventLog);
    await this.eventLog.append(partition, records.map(encodeEvent));
    await this.mesh.advance(1);
  }

  /** Moves the data clock of every partition, so that windows end. */
  async mark(atMs: number): Promise<void> {
    for (const partition of this.present) {
      await this.eventLog.append(partition, [
        encodeEvent({ kind: "mark", atMs, acceptedAtMs: atMs }),
      ]);
    }
    await this.mesh.advance(10);
  }

  /** Offsets of the rankings that a joiner takes over which is made with these columns. */
  async carried(columns: RowColumns): Promise<number[]> {
    const logs = { eventLog: this.eventLog, exampleLog: this.exampleLog };
    const [partition] = this.present;
    const options = { ...joinerOptions(columns), partition, partitionings: this.#counts };
    const { impressions } = present(await readCarryOver(logs, options), "a partition has ended");
    return impressions.map(({ header }) => header.offset);
  }

  /** The orders of the chunks in a partition of the example log, ms. */
  async orders(partition: number): Promise<number[]> {
    const records = await this.exampleLog.read(partition, 0, 1e6);
    return records.map(({ bytes }) => decodeExamples(bytes).orderedAtMs ?? 0);
  }

  /** The acceptance marks of the chunks in a partition of the example log, ms. */
  async acceptanceMarks(partition: number): Promise<number[]> {
    const records = await this.exampleLog.read(partition, 0, 1e6);
    return records.map(({ bytes }) => decodeExamples(bytes).acceptedAtMs);
  }

  async examples(): Promise<Map<string, number[]>> {
    const labels = new Map<string, number[]>();
    for (let partition = 0; partition < this.exampleLog.partitions; partition++) {
      for (const { bytes } of await this.exampleLog.read(partition, 0, 1e6)) {
        for (const { name, label } of readExamples(decodeExamples(bytes))) {
          labels.set(name, [...labels.get(name) ?? [], label]);
        }
      }
    }
    return labels;
  }
}

const shown = (ranking: string, atMs: number) => impression({ ranking, items: ["a", "b"], atMs });

Deno.test("an action finds its ranking in the partition that took it over", async () => {
  const world = new World();
  await world.mesh.settle(world.start(0));
  for (let i = 0; i < 10; i++) await world.post(`r${i}`, shown(`r${i}`, 1_000));
  await world.repartition({ events: 3, examples: 3 });
  for (let i = 0; i < 10; i++) {
    const click = action({ ranking: `r${i}`, item: "a", action: "click", atMs: 1_100 });
    await world.post(`r${i}`, click);
  }
  await world.mark(5_000);
  const examples = await world.examples();
  for (let i = 0; i < 10; i++) {
    assert.deepEqual(examples.get(`r${i}/a`), [1]);
    assert.deepEqual(examples.get(`r${i}/b`), [0]);
  }
  await world.mesh.stop();
});

Deno.test("no acceptance mark of an ended partition claims what the next partitioning decides", async () => {
  const world = new World();
  await world.mesh.settle(world.start(0));
  await world.repartition({ events: 2, examples: 2 });
  for (let i = 0; i < 10; i++) await world.post(`r${i}`, shown(`r${i}`, 1_000));
  // One partition is ahead of the other, whose windows end when the next joiner takes them over.
  const mark = encodeEvent({ kind: "mark", atMs: 5_000, acceptedAtMs: 5_000 });
  await world.eventLog.append(world.present[0], [mark]);
  await world.mesh.advance(10);
  await world.repartition({ events: 1, examples: 1 });
  await world.mesh.advance(1_000);

  const [ended, next] = [[1, 2], [3]].map((numbers) =>
    numbers.map((n) => world.acceptanceMarks(n))
  );
  const latest = Math.max(...(await Promise.all(ended)).flat());
  const later = (await Promise.all(next)).flat();
  assert.equal(latest, 5_000);
  assert.ok(later.length > 0 && later.every((mark) => mark > latest), `${later} behind ${latest}`);
  await world.mesh.stop();
});

Deno.test("labels and event ids from before the change count behind it", async () => {
  const world = new World();
  await world.mesh.settle(world.start(0));
  const click = action({ ranking: "r", item: "a", action: "click", atMs: 1_010, eventId: "e" });
  const bought = action({ ranking: "r", item: "b", action: "buy", atMs: 1_020 });
  await world.post("r", shown("r", 1_000), click, bought);
  await world.repartition({ events: 2, examples: 4 });
  await world.post("r", click); // sent again
  await world.mark(5_000);
  const examples = await world.examples();
  assert.deepEqual(examples.get("r/a"), [1]);
  assert.deepEqual(examples.get("r/b"), [1]);
  await world.mesh.stop();
});

Deno.test("an action before the change meets its ranking that is logged behind it", async () => {
  const world = new World();
  await world.mesh.settle(world.start(0));
  await world.post("r", action({ ranking: "r", item: "a", action: "click", atMs: 1_000 }));
  await world.repartition({ events: 3, examples: 3 });
  await world.post("r", shown("r", 1_000));
  await world.mark(5_000);
  assert.deepEqual((await world.examples()).get("r/a"), [1]);
  await world.mesh.stop();
});

Deno.test("rankings of other features are left out, and the others keep their numbers", async () => {
  const world = new World();
  await world.mesh.settle(world.start(0));
  const changed = { ...COLUMNS, schemaFingerprint: 6 };
  const ofChanged = { ...shown("r2", 1_100), shown: shownRows("r2", ["a", "b"], changed) };
  await world.post("r1", shown("r1", 1_000));
  await world.post("r2", ofChanged);
  await world.post("r3", shown("r3", 1_200));
  await world.post("r4", { ...ofChanged, rankingId: "r4", atMs: 1_300 });
  await world.repartition({ events: 1, examples: 1 });
  assert.deepEqual(await world.carried(COLUMNS), [-4, -2]);
  assert.deepEqual(await world.carried(changed), [-3, -1]);
  await world.mesh.stop();
});

Deno.test("the new joiners wait for a joiner that has not read its partition to the end", async () => {
  const world = new World();
  await world.mesh.settle(world.start(0));
  await world.post("r", shown("r", 1_000));
  await world.stop(0);
  await world.post("r", action({ ranking: "r", item: "a", action: "click", atMs: 1_010 }));
  await world.repartition({ events: 1, examples: 1 });
  assert.equal(await world.exampleLog.endOffset(1), 0);
  await world.mesh.settle(world.start(0));
  await world.mesh.advance(100);
  await world.mark(5_000);
  assert.deepEqual((await world.examples()).get("r/a"), [1]);
  await world.mesh.stop();
});

Deno.test("a new partition's chunks come behind those of the ended ones where its clock is behind", async () => {
  const world = new World({}, 2);
  await world.mesh.settle(world.start(0));
  for (let i = 0; i < 10; i++) {
    const bought = action({ ranking: `r${i}`, item: "a", action: "buy", atMs: 1_010 });
    await world.post(`r${i}`, shown(`r${i}`, 1_000), bought);
  }
  world.mesh.clock.stepWall(-60_000);
  await world.repartition({ events: 2, examples: 2 });
  await world.mark(5_000);
  const ended = [...await world.orders(0), ...await world.orders(1)];
  const begun = [...await world.orders(2), ...await world.orders(3)];
  assert.ok(begun.length > 0);
  assert.ok(
    Math.min(...begun) > Math.max(...ended),
    `${Math.min(...begun)} after ${Math.max(...ended)}`,
  );
  await world.mesh.stop();
});

for (const [before, after] of [[10_000, 0], [0, 10_000]]) {
  const change = before > 0 ? "late labels are not awaited any more" : "late labels are awaited";
  Deno.test(`carried rankings are learned once where ${change} from a restart on`, async () => {
    const world = new World();
    await world.mesh.settle(world.start(0));
    await world.awaitLateLabels(before);
    await world.post("closed", shown("closed", 1_000));
    await world.post("open", shown("open", 1_500));
    await world.post("decided", shown("decided", 1_500));
    for (const item of ["a", "b"]) {
      await world.post("decided", action({ ranking: "decided", item, action: "buy", atMs: 1_500 }));
    }
    await world.post("newest", shown("newest", 1_500));
    await world.repartition({ events: 1, examples: 1 });
    await world.mark(2_100);
    assert.deepEqual((await world.examples()).get("closed/a"), [0]);
    assert.equal((await world.examples()).get("open/a"), undefined);
    await world.awaitLateLabels(after);
    await world.mark(5_000);
    assert.deepEqual([...await world.examples()].sort(), [
      ...["closed/a", "closed/b"].map((name) => [name, [0]]),
      ...["decided/a", "decided/b"].map((name) => [name, [1]]),
      ...["newest/a", "newest/b", "open/a", "open/b"].map((name) => [name, [0]]),
    ]);
    await world.mesh.stop();
  });
}

Deno.test("sealed partitions are trimmed when no window of theirs is open", async () => {
  const world = new World();
  await world.mesh.settle(world.start(0));
  await world.post("r", shown("r", 1_000));
  await world.repartition({ events: 2, examples: 2 });
  await world.mark(1_100);
  await world.mesh.advance(2_000);
  assert.equal((await world.eventLog.read(0, 0, 10)).length, 1, "its window is open");
  await world.mark(5_000);
  await world.mark(5_001);
  await world.mesh.advance(2_000);
  assert.deepEqual(await world.eventLog.read(0, 0, 10), []);
  assert.equal((await world.examples()).size, 2);
  await world.mesh.stop();
});

Deno.test("an event log that sealed partitions fill takes records again", async () => {
  const bytesMax = 8_192;
  const world = new World({}, 1, bytesMax);
  // The joiner lags, so that nothing is trimmed before the change.
  let rankings = 0;
  await assert.rejects(async () => {
    for (;; rankings++) await world.post(`r${rankings}`, shown(`r${rankings}`, 1_000));
  }, LogFullError);
  await world.repartition({ events: 3, examples: 6 });
  await world.mesh.settle(world.start(0));
  // The first tries of the new joiners may have waited in vain.
  for (const partition of world.present) await world.restart(partition);
  await world.mesh.advance(5_000);
  assert.equal(world.eventLog.usage().bytes, 0);
  await world.mark(5_000);
  const examples = await world.examples();
  assert.equal(examples.size, 2 * rankings);
  for (const labels of examples.values()) assert.deepEqual(labels, [0]);
  await world.mesh.stop();
});

type Step =
  | { readonly kind: "visit"; readonly clicks: boolean; readonly bought: boolean }
  | { readonly kind: "click"; readonly ranking: number }
  | { readonly kind: "restart"; readonly joiner: number }
  | { readonly kind: "mark"; readonly ms: number }
  | { readonly kind: "lateLabels"; readonly lateMs: number }
  | { readonly kind: "repartition"; readonly events: number; readonly share: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("visit" as const),
      clicks: fc.boolean(),
      bought: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("click" as const), ranking: fc.nat(1_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("restart" as const), joiner: fc.nat(10) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("mark" as const), ms: fc.nat(700) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("lateLabels" as const),
      lateMs: fc.constantFrom(0, 3_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("repartition" as const),
      events: fc.integer({ min: 1, max: 3 }),
      share: fc.integer({ min: 1, max: 2 }),
    }),
  },
);

Deno.test("through any partitionings and restarts each row is one example with its label", async () => {
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 40 }),
    fc.integer({ min: 1, max: 4 }),
    async (steps, batchRows) => {
      const world = new World({ batchRows });
      await world.mesh.settle(world.start(0));
      let nowMs = 1_000;
      const expected = new Map<string, number>();
      const shownAtMs: number[] = [];
      for (const each of steps) {
        switch (each.kind) {
          case "visit": {
            const ranking = `r${shownAtMs.length}`;
            shownAtMs.push(nowMs);
            const records: EventRecord[] = [shown(ranking, nowMs)];
            if (each.clicks) {
              records.push(action({ ranking, item: "a", action: "click", atMs: nowMs }));
            }
            if (each.bought) {
              records.push(action({ ranking, item: "b", action: "buy", atMs: nowMs }));
            }
            expected.set(`${ranking}/a`, each.clicks ? 1 : 0);
            expected.set(`${ranking}/b`, each.bought ? 1 : 0);
            await world.post(ranking, ...records);
            break;
          }
          case "click": {
            if (shownAtMs.length === 0) break;
            const number = each.ranking % shownAtMs.length;
            // Well within the window, whatever the clock of its partition.
            if (nowMs - shownAtMs[number] > 900) break;
            const ranking = `r${number}`;
            expected.set(`${ranking}/a`, 1);
            await world.post(ranking, action({ ranking, item: "a", action: "click", atMs: nowMs }));
            break;
          }
          case "restart":
            await world.restart(world.present[each.joiner % world.present.length]);
            break;
          case "lateLabels":
            await world.awaitLateLabels(each.lateMs);
            break;
          case "mark":
            nowMs += each.ms;
            await world.mark(nowMs);
            break;
          case "repartition":
            await world.repartition({ events: each.events, examples: each.events * each.share });
            break;
        }
      }
      await world.mark(nowMs + 5_000);
      await world.mark(nowMs + 5_001);
      await world.mesh.advance(1_000); // no trainer takes the chunks
      const examples = await world.examples();
      assert.deepEqual(
        [...examples].sort(),
        [...expected].map(([name, label]) => [name, [label]]).sort(),
      );
      await world.mesh.stop();
    },
  );
  await fc.assert(property, { numRuns: 60 });
});
