/**
 * Several partitions of the event log, each with a joiner of its own.
 */
import assert from "node:assert/strict";
import { defineJoiner } from "../../../actors/joiner/definition.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { encodeEvent, eventPartition } from "../../../records/event_record.ts";
import { decodeExamples } from "../../../records/example_chunk.ts";
import { action, impression, joinerOptions, readExamples } from "./records.ts";

const EVENTS = 3;
const EXAMPLES = 6;

class World {
  readonly mesh = new SimulatedMesh({ seed: 1 });
  readonly eventLog = new MemoryEventLog({ partitions: EVENTS });
  readonly exampleLog = new MemoryEventLog({ partitions: EXAMPLES });

  async start(partition: number): Promise<void> {
    const definition = defineJoiner({ eventLog: this.eventLog, exampleLog: this.exampleLog });
    const options = { ...joinerOptions(), partition };
    await this.mesh.settle(this.mesh.node().spawn(definition, partition, options));
  }

  async visit(ranking: string, atMs: number): Promise<void> {
    const records = [
      impression({ ranking, items: ["a", "b"], atMs }),
      action({ ranking, item: "a", action: "buy", atMs, acceptedAtMs: atMs }),
      action({ ranking, item: "b", action: "buy", atMs, acceptedAtMs: atMs + 0.5 }),
    ];
    await this.eventLog.append(eventPartition(ranking, EVENTS), records.map(encodeEvent));
    await this.mesh.advance(1);
  }

  async chunks(partition: number) {
    const records = await this.exampleLog.read(partition, 0, 1e6);
    return records.map(({ bytes }) => decodeExamples(bytes));
  }

  async names(partition: number): Promise<string[]> {
    return (await this.chunks(partition)).flatMap(readExamples).map(({ name }) => name);
  }
}

Deno.test("each joiner writes its own example partitions, where the rankings' ids put them", async () => {
  const world = new World();
  for (let partition = 0; partition < EVENTS; partition++) await world.start(partition);
  for (let i = 0; i < 60; i++) await world.visit(`r${i}`, 1_000 + i);
  await world.mesh.advance(1_000);
  let examples = 0;
  for (let partition = 0; partition < EXAMPLES; partition++) {
    const names = await world.names(partition);
    assert.ok(names.length > 0, "every partition has examples");
    for (const name of names) {
      const [ranking] = name.split("/");
      assert.equal(eventPartition(ranking, EXAMPLES), partition);
      assert.equal(eventPartition(ranking, EVENTS), partition % EVENTS);
    }
    examples += names.length;
  }
  assert.equal(examples, 120);
  await world.mesh.stop();
});

Deno.test("the gauges of a joiner that goes to another thread are 0 where it was", async () => {
  const world = new World();
  const gauges = [
    "cairn_joiner_impressions_open",
    "cairn_joiner_impressions_bytes",
    "cairn_joiner_clock_lead_ms",
  ];
  const read = (joiner: string) =>
    gauges.map((name) => world.mesh.telemetry.value(name, { joiner }));
  await world.start(0);
  await world.start(1);
  const { clock } = world.mesh.node();
  for (const ranking of ["r0", "r1", "r2", "r3", "r4", "r5"]) {
    const aheadMs = clock.nowMs() + 1_000;
    const shown = impression({ ranking, items: ["a"], atMs: aheadMs });
    const record = { ...shown, acceptedAtMs: aheadMs };
    await world.eventLog.append(eventPartition(ranking, EVENTS), [encodeEvent(record)]);
  }
  await world.mesh.advance(10);
  const before = read("0");
  assert.ok([...before, ...read("1")].every((value) => value > 0));
  await world.mesh.settle(world.mesh.node().stopActor("joiner/1", 0));
  assert.deepEqual(read("1"), [0, 0, 0]);
  assert.deepEqual(read("0"), before);
  await world.mesh.stop();
});

Deno.test("a joiner that is restarted repeats no example, whatever the others have read", async () => {
  const world = new World();
  await world.start(0);
  await world.start(1);
  for (let i = 0; i < 20; i++) await world.visit(`r${i}`, 1_000 + i);
  await world.mesh.settle(world.mesh.node().stopActor("joiner/1", 0));
  for (let i = 20; i < 40; i++) await world.visit(`r${i}`, 1_000 + i);
  await world.start(1);
  await world.start(2); // it has read nothing so far
  await world.mesh.advance(1_000);
  const all = (await Promise.all([0, 1, 2, 3, 4, 5].map((partition) => world.names(partition))))
    .flat();
  assert.equal(all.length, 80);
  assert.equal(new Set(all).size, 80);
  await world.mesh.stop();
});

Deno.test("a mark raises the acceptance mark of its partition and moves the data clock there", async () => {
  const world = new World();
  await world.start(0);
  const ranking = Array.from({ length: 100 }, (_, i) => `r${i}`)
    .find((id) => eventPartition(id, EVENTS) === 0)!;
  await world.eventLog.append(0, [
    encodeEvent(impression({ ranking, items: ["a", "b"], atMs: 1_000 })),
  ]);
  await world.mesh.advance(1_000);
  const own = eventPartition(ranking, EXAMPLES);
  assert.deepEqual(await world.names(own), [], "its window is open");
  const afterMs = 1_000 + joinerOptions().windowMs + 1;
  await world.eventLog.append(0, [
    encodeEvent({ kind: "mark", atMs: afterMs, acceptedAtMs: afterMs + 7 }),
  ]);
  await world.mesh.advance(1_000);
  assert.equal((await world.names(own)).length, 2, "the mark ended the window");
  for (const partition of [0, 3]) {
    assert.equal((await world.chunks(partition)).at(-1)?.acceptedAtMs, afterMs + 7);
  }
  await world.mesh.stop();
});
