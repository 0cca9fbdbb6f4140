/** How the joiner makes room in the event log. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeEvent } from "../../../records/event_record.ts";
import { JoinerWorld } from "./joiner_world.ts";
import { action, impression, joinerOptions } from "./records.ts";

Deno.test("the event log is trimmed up to the oldest impression that a restart needs", async () => {
  const world = new JoinerWorld();
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
  const world = new JoinerWorld();
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
  const world = new JoinerWorld(
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
        const world = new JoinerWorld(
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
  const world = new JoinerWorld(joinerOptions({ windowMs: 1e9 }), Infinity, 4_000);
  const record = encodeEvent(impression({ ranking: "r", items: ["a"], atMs: 0 }));
  while (await world.eventLog.append(0, [record]).then(() => true, () => false));
  await world.start();
  await world.mesh.advance(1);
  await world.eventLog.append(0, [record]);
  await world.mesh.stop();
});

Deno.test("`recordsRetained` gives way before an impression is closed early", async () => {
  const world = new JoinerWorld(joinerOptions({ recordsRetained: 1e6 }), Infinity, 8_000);
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
