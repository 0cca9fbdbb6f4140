/** A joiner that starts anew: after a crash, with other options, or on logs that do not fit. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { defineJoiner } from "../../../actors/joiner/definition.ts";
import type { EventRecord } from "../../../records/event_record.ts";
import type { JoinerMessage } from "../../../actors/joiner/protocol.ts";
import { JoinerWorld } from "./joiner_world.ts";
import { action, impression, joinerOptions } from "./records.ts";

Deno.test("a joiner whose position lies beyond the event log's end refuses to start, naming the log", async () => {
  const world = new JoinerWorld();
  await world.start();
  await world.post(
    impression({ ranking: "r1", items: ["a"], atMs: 0 }),
    action({ ranking: "r1", item: "a", action: "buy", atMs: 1 }),
  );
  await world.stopJoiner();
  const emptied = new JoinerWorld();
  const definition = defineJoiner({ eventLog: emptied.eventLog, exampleLog: world.exampleLog });
  const start = emptied.mesh.node().spawn(definition, 0, emptied.options);
  await assert.rejects(
    emptied.mesh.settle(start),
    /events before offset 2, .*events\/0.* offset 0/,
  );
  await emptied.mesh.stop();
  await world.mesh.stop();
});

Deno.test("a joiner that finds no records at its position goes on, and says how many are gone", async () => {
  const world = new JoinerWorld(joinerOptions({ windowMs: 1e6 }));
  await world.start();
  await world.post(
    impression({ ranking: "lost", items: ["a", "b"], atMs: 0 }),
    action({ ranking: "lost", item: "a", action: "buy", atMs: 1 }),
    impression({ ranking: "kept", items: ["a"], atMs: 1 }),
  );
  await world.stopJoiner();
  await world.eventLog.trim(0, 2);
  await world.start();
  await world.post(action({ ranking: "kept", item: "a", action: "buy", atMs: 2 }));
  assert.deepEqual((await world.names()).length, 2);
  const [warning] = world.mesh.telemetry.lines.filter(({ level }) => level === "warn");
  assert.match(warning.message, /events\/0 begins at offset 2.*from offset 0/);
  await world.mesh.stop();
});

Deno.test("a joiner that restarts counts no record again", async () => {
  const world = new JoinerWorld(joinerOptions({ windowMs: 1e6 }));
  const status = async () => {
    const joiner = world.mesh.node().actorRef<JoinerMessage>("joiner/0");
    return await world.mesh.settle(joiner.ask({ kind: "getStatus" }, { budgetMs: 100 }));
  };
  await world.start();
  await world.post(
    impression({ ranking: "open", items: ["a", "b"], atMs: 0 }),
    action({ ranking: "open", item: "a", action: "click", atMs: 1 }),
    action({ ranking: "open", item: "a", action: "unknown", atMs: 1 }),
    action({ ranking: "nowhere", item: "a", action: "click", atMs: 1 }),
    impression({ ranking: "bought", items: ["a"], atMs: 1 }),
    action({ ranking: "bought", item: "a", action: "buy", atMs: 1, acceptedAtMs: 0 }),
  );
  await world.eventLog.append(0, [Uint8Array.of(0xc1)]);
  // Its acceptance is later, so that a chunk with the position is written.
  const late = action({ ranking: "bought", item: "a", action: "buy", atMs: 2, acceptedAtMs: 2e9 });
  await world.post(late);
  const before = await status();
  assert.deepEqual(
    [before.actionsMatched, before.actionsLate, before.eventsAheadOfTime, before.recordsInvalid],
    [2, 1, 0, 1],
  );
  await world.restart();
  await world.mesh.advance(1);
  await world.post(action({ ranking: "open", item: "b", action: "buy", atMs: 2 }));
  const after = await status();
  assert.equal(after.impressionsOpen, 1, "it has read the impression again");
  const counted = Object.entries(after).filter(([name, value]) =>
    /^(actions|examples|events|records)/.test(name) && value !== 0
  );
  assert.deepEqual(counted, [["examplesEmitted", 1], ["actionsMatched", 1]]);
  await world.mesh.stop();
});

Deno.test("a restart with a shorter window or a smaller bound loses no example", async () => {
  for (const changes of [{ windowMs: 100 }, { impressionsMax: 2 }, { impressionsBytesMax: 1 }]) {
    const world = new JoinerWorld(joinerOptions({ windowMs: 1e6 }));
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

Deno.test("after the wall clock was set back, the data clock follows it and windows end again", async () => {
  const world = new JoinerWorld();
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

Deno.test("a joiner that starts anew on a host whose clock is behind decides by the log", async () => {
  const gatewayAheadMs = 9_000;
  const world = new JoinerWorld(joinerOptions({ clockSkewMsMax: 0, clocksApartMsMax: 10_000 }));
  const { clock } = world.mesh;
  const joiner = await world.start();
  const show = async (ranking: string) => {
    const atMs = clock.nowMs() + gatewayAheadMs;
    await world.post(impression({ ranking, items: ["a"], atMs, acceptedAtMs: atMs }));
  };
  await show("r1");
  await world.mesh.advance(500);
  await show("r2");
  await world.restart();
  await world.mesh.advance(600);
  await show("r3"); // closes r1, whose window of 1 s is over, and not r2
  assert.deepEqual(await world.names(), ["r1/a=0"]);
  await world.mesh.advance(61_000);
  await show("r4");
  const status = await world.mesh.settle(joiner.ask({ kind: "getStatus" }, { budgetMs: 100 }));
  assert.equal(status.warning, undefined);
  await world.mesh.stop();
});

const step = fc.record({
  impression: fc.boolean(),
  again: fc.boolean(),
  early: fc.boolean(),
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
      fc.constantFrom(0, 5, 1_000),
      fc.constantFrom(0, 3_000),
      fc.constantFrom(6, 100),
      async (steps, rate, partitions, lingerMs, lateMs, impressionsMax) => {
        const [task] = joinerOptions().tasks;
        const options = joinerOptions({
          tasks: [{ ...task, lateMs }],
          recordsPerTurn: 3,
          batchRows: 2,
          lingerMs,
          impressionsMax,
          negativeSampling: { rate, seed: 3, correction: "logOdds" },
        });
        const restarted = new JoinerWorld(options, Infinity, Infinity, partitions);
        const steady = new JoinerWorld(options, Infinity, Infinity, partitions);
        await restarted.start();
        await steady.start();
        let atMs = 0;
        const rankings: string[] = [];
        let held: EventRecord[] = [];
        for (
          const [i, { impression: shows, again, early, ranking, item, stepMs, backMs, ...rest }]
            of steps
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
              ranking: early ? `s${i + 1 + ranking % 3}` : known,
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
          assert.deepEqual(await restarted.examples(partition), await steady.examples(partition));
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
    { numRuns: 200 },
  );
});

Deno.test("a joiner that restarts after a chunk ended inside of an impression goes on with its next row", async () => {
  const items = ["a", "b", "c", "d", "e"];
  const options = joinerOptions({ batchRows: 2, lingerMs: 50 });
  const world = new JoinerWorld(options);
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

Deno.test("a chunk that ended inside of an impression is gone on with, also after the wall clock was set back", async () => {
  const items = ["a", "b", "c"];
  const world = new JoinerWorld(joinerOptions({ batchRows: 2, lingerMs: 50 }));
  const { clock } = world.mesh;
  await world.start();
  const show = async (ranking: string, shown: string[]) => {
    const nowMs = clock.nowMs();
    await world.post(
      impression({ ranking, items: shown, atMs: nowMs, acceptedAtMs: nowMs }),
    );
  };
  await show("r1", items);
  const day = 24 * 3_600_000;
  clock.stepWall(day);
  await show("ahead", ["a"]); // closes r1
  assert.deepEqual(await world.names(), ["r1/a=0", "r1/b=0"]);
  clock.stepWall(-day);
  await world.restart();
  await show("after1", ["a"]);
  await world.mesh.advance(61_000);
  await show("after2", ["a"]); // the joiner starts anew and corrects its data clock
  await world.mesh.advance(3_000);
  await show("after3", ["a"]);
  await world.mesh.advance(100);
  assert.deepEqual(
    await world.names(),
    ["r1/a", "r1/b", "r1/c", "ahead/a", "after1/a", "after2/a"].map((name) => `${name}=0`),
  );
  await world.mesh.stop();
});
