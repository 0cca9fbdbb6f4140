/** A joiner whose example log takes nothing: it waits, and drops examples before serving stops. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { JoinerWorld } from "./joiner_world.ts";
import { action, impression, joinerOptions, readExamples } from "./records.ts";

for (const [partitions, title] of [[1, "one partition"], [3, "three partitions"]] as const) {
  Deno.test(`a full example log of ${title} makes the joiner wait without loss or repetition`, async () => {
    const world = new JoinerWorld(
      joinerOptions({ recordsPerTurn: 4 }),
      1_200,
      Infinity,
      partitions,
    );
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
  const world = new JoinerWorld(joinerOptions({ batchRows: 1, recordsPerTurn: 4 }), 2_600);
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
    if (round % 5 === 2) await world.restart();
    for (const chunk of await world.chunks()) {
      readExamples(chunk).forEach(({ name, label }, row) => {
        names.set(chunk.firstRow + row, `${name}=${label}`);
      });
    }
    await world.exampleLog.trim(0, await world.exampleLog.endOffset(0) - 1);
    await world.mesh.advance(1_000);
  }
  assert.deepEqual([...names.values()], expected);
  await world.mesh.stop();
});

Deno.test("while the example log takes none, a nearly full event log makes the joiner drop examples and go on", async () => {
  const world = new JoinerWorld(joinerOptions({ recordsPerTurn: 4, batchRows: 2 }), 4_000, 8_000);
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

Deno.test("whatever the example log takes, and whenever the joiner restarts, events are taken and each example is written once or counted as dropped", async () => {
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
      const world = new JoinerWorld(options, 2_500 * partitions, 8_000, partitions);
      let joiner = await world.start();
      const status = () => world.mesh.settle(joiner.ask({ kind: "getStatus" }, { budgetMs: 100 }));
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
      const serve = async (atMs: number) => {
        const ranking = `r${shown++}`;
        await world.post( // never refused
          impression({ ranking, items: ["a", "b"], atMs }),
          action({ ranking, item: "a", action: "buy", atMs }),
        );
        await world.mesh.advance(600);
      };
      const learn = async () => {
        for (let round = 0; round < 20; round++) {
          await note(true);
          await world.mesh.advance(600);
        }
        await note(true);
      };
      let dropped = 0;
      const countDropped = async () => {
        dropped += (await status()).examplesDropped;
      };
      for (const { rankings, learns, restarts } of steps) {
        for (let i = 0; i < rankings; i++) await serve(200 * shown);
        await note(learns);
        if (!restarts) continue;
        await countDropped();
        await world.stopJoiner();
        joiner = await world.start();
      }
      await learn();
      // The newest example may be a dropped one; with room in both logs the next one is not.
      await serve(200 * shown + options.windowMs); // ends all windows
      await learn();
      await countDropped();
      for (const rows of seen) {
        const numbers = [...rows.keys()].toSorted((a, b) => a - b);
        assert.deepEqual(numbers, numbers.map((_, row) => row), "rows without gaps");
      }
      const all = seen.flatMap((rows) => [...rows.values()]);
      assert.equal(new Set(all).size, all.length, "each example once");
      assert.ok(all.every((text) => /a=1$|b=0$/.test(text)));
      const decided = 2 * shown - 1; // all but the last ranking's "b"
      assert.ok( // a restart may decide dropped examples again, and write them
        all.length + dropped >= decided,
        `${all.length} written, ${dropped} dropped of ${decided}`,
      );
      assert.ok(all.includes(`r${shown - 1}/a=1`), "it learns again");
      assert.equal((await status()).warning, undefined);
      await world.mesh.stop();
    },
  );
  await fc.assert(property, { numRuns: 25 });
});
