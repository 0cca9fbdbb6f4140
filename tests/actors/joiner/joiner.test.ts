import assert from "node:assert/strict";
import { ACCEPTANCE_STEP_MS } from "../../../mesh/ports/event_log.ts";
import { JoinerWorld } from "./joiner_world.ts";
import { action, COLUMNS, impression, joinerOptions, shownRows } from "./records.ts";

Deno.test("an example decided by an action is in the log with the action's acceptance time", async () => {
  const world = new JoinerWorld();
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
  const world = new JoinerWorld();
  await world.start();
  await world.post(action({ ranking: "?", item: "a", action: "buy", atMs: 5, acceptedAtMs: 9 }));
  const [chunk] = await world.chunks();
  assert.deepEqual([chunk.rows, chunk.acceptedAtMs], [0, 9]);
  await world.mesh.stop();
});

Deno.test("a chunk tells up to when all was decided before its rows", async () => {
  const world = new JoinerWorld();
  await world.start();
  await world.post(
    impression({ ranking: "r1", items: ["a", "b"], atMs: 0 }),
    { kind: "mark", atMs: 1, acceptedAtMs: 50 },
    action({ ranking: "r1", item: "a", action: "buy", atMs: 2, acceptedAtMs: 60 }),
    action({ ranking: "r1", item: "b", action: "buy", atMs: 3, acceptedAtMs: 70 }),
  );
  await world.mesh.advance(1_000);
  const chunk = (await world.chunks()).find(({ rows }) => rows > 0);
  assert.deepEqual(
    [chunk?.rows, chunk?.acceptedBeforeMs, chunk?.acceptedAtMs],
    [2, 60 - ACCEPTANCE_STEP_MS, 70],
  );
  await world.mesh.stop();
});

Deno.test("a record that cannot be decoded is counted and skipped", async () => {
  const world = new JoinerWorld();
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

Deno.test("rankings of another schema are counted, and one line warns of them", async () => {
  const world = new JoinerWorld();
  const joiner = await world.start();
  const other = { ...COLUMNS, schemaFingerprint: COLUMNS.schemaFingerprint + 1 };
  const earlier = ["r0", "r1"].map((ranking) => {
    const record = impression({ ranking, items: ["a"], atMs: 0 });
    return { ...record, shown: shownRows(ranking, ["a"], other) };
  });
  await world.post(...earlier, action({ ranking: "r1", item: "a", action: "buy", atMs: 1 }));
  const status = await world.mesh.settle(joiner.ask({ kind: "getStatus" }, { budgetMs: 100 }));
  assert.deepEqual([status.recordsInvalid, status.actionsUnmatched], [2, 1]);
  const warnings = world.mesh.telemetry.lines.filter(({ level }) => level === "warn");
  assert.deepEqual(warnings.map(({ message, fields }) => [message, fields?.offset]), [
    ["skipped rankings of another schema; their events count as actionsUnmatched", 0],
  ]);
  await world.mesh.stop();
});

/** Chunks of one row, of which 8 take 4 ms: a turn ends before many windows are closed. */
function slowWorld(): JoinerWorld {
  const world = new JoinerWorld(joinerOptions({ batchRows: 1, recordsRetained: 1_000 }));
  const append = world.exampleLog.append.bind(world.exampleLog);
  world.exampleLog.append = async (partition, records) => {
    await world.mesh.clock.delay(4);
    return await append(partition, records);
  };
  return world;
}

Deno.test("a turn ends when its time is over, and later turns join the rest", async () => {
  const world = slowWorld();
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

Deno.test("events that come while earlier ones take several turns are joined without a further event", async () => {
  const world = slowWorld();
  const joiner = await world.start();
  for (let i = 0; i < 100; i++) {
    await world.post(impression({ ranking: `r${i}`, items: ["a"], atMs: 0 }));
  }
  await world.post(impression({ ranking: "end", items: ["a"], atMs: 5_000 }));
  await world.post(impression({ ranking: "after", items: ["a"], atMs: 5_001 }));
  await world.mesh.advance(10_000);
  const { offset } = await world.mesh.settle(
    joiner.ask({ kind: "getStatus" }, { budgetMs: 20 }),
  );
  assert.equal(offset, 102);
  await world.mesh.stop();
});

Deno.test("a chunk is finished at exactly `batchRows` rows, also in the middle of an impression", async () => {
  const world = new JoinerWorld(joinerOptions({ batchRows: 4, lingerMs: 50 }));
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

Deno.test("where no row follows a full chunk within the linger, an empty chunk does", async () => {
  const world = new JoinerWorld(joinerOptions({ batchRows: 2, lingerMs: 50 }));
  await world.start();
  await world.post(impression({ ranking: "r1", items: ["a", "b"], atMs: 0 }));
  await world.post(impression({ ranking: "r2", items: ["a"], atMs: 5_000 })); // closes r1
  const rows = async () => (await world.chunks()).map(({ rows }) => rows);
  assert.deepEqual(await rows(), [2]);
  await world.mesh.advance(60);
  assert.deepEqual(await rows(), [2, 0]);
  await world.mesh.advance(500);
  assert.deepEqual(await rows(), [2, 0], "once");
  await world.mesh.stop();
});

Deno.test("a chunk that is not full waits for more rows until the linger is over", async () => {
  const world = new JoinerWorld(joinerOptions({ batchRows: 4, lingerMs: 50 }));
  const joiner = await world.start();
  const buy = (ranking: string) => [
    impression({ ranking, items: ["a"], atMs: 0 }),
    action({ ranking, item: "a", action: "buy", atMs: 0 }),
  ];
  await world.post(...buy("r1"));
  await world.mesh.advance(30);
  await world.post(...buy("r2"));
  assert.deepEqual(await world.chunks(), []);
  const waiting = async () => {
    const answer = joiner.ask({ kind: "getStatus" }, { budgetMs: 100 });
    return (await world.mesh.settle(answer)).examplesWaiting;
  };
  assert.equal(await waiting(), 2);
  await world.mesh.advance(25);
  assert.equal(await waiting(), 0);
  assert.deepEqual((await world.chunks()).map(({ rows }) => rows), [2]);
  await world.mesh.stop();
});

/** A world whose trainer is behind, in which one example after another is decided. */
async function behindWorld(batchRows: number) {
  const world = new JoinerWorld(joinerOptions({ batchRows, lingerMs: 10 }));
  world.trainerTakes = false;
  await world.start();
  let examples = 0;
  const decide = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const ranking = `r${examples++}`;
      await world.post(
        impression({ ranking, items: ["a"], atMs: 0 }),
        action({ ranking, item: "a", action: "buy", atMs: 0, acceptedAtMs: examples }),
      );
      await world.mesh.advance(20);
    }
  };
  const rows = async () => (await world.chunks()).map(({ rows }) => rows);
  return { world, decide, rows };
}

Deno.test("while the trainer is behind, chunks that are not full wait longer than the linger", async () => {
  const { world, decide, rows } = await behindWorld(8);
  await decide(17);
  assert.deepEqual(await rows(), [1, 8, 8], "the first one waited for no other");
  await decide(3);
  assert.deepEqual(await rows(), [1, 8, 8]);
  await world.take();
  await world.mesh.advance(0);
  assert.deepEqual(await rows(), [1, 8, 8, 3], "at once when the trainer has taken the others");
  await world.take();
  await decide(1);
  assert.deepEqual(await rows(), [1, 8, 8, 3, 1], "it is not behind any more");
  await world.mesh.stop();
});

Deno.test("a trainer that is away gets a chunk now and then, however short the linger", async () => {
  const { world, decide, rows } = await behindWorld(1_000);
  await decide(100); // 2.1 s
  assert.deepEqual(await rows(), [1, 25, 25, 25]);
  await world.mesh.stop();
});

Deno.test("only events and marks raise the acceptance mark: the log orders no other record's time", async () => {
  const world = new JoinerWorld();
  await world.start();
  const late = { atMs: 1_000, acceptedAtMs: 9_000 }; // of a gateway whose clock is ahead
  await world.post(
    { kind: "forget", erasureId: "e", pass: 1, user: "nobody", ...late },
    { kind: "release", ...late },
    impression({ ranking: "r", items: ["a", "b"], atMs: 1_000 }),
    action({ ranking: "r", item: "a", action: "buy", atMs: 1_001, acceptedAtMs: 5_000 }),
  );
  await world.mesh.advance(1_000);
  assert.equal((await world.chunks()).at(-1)?.acceptedAtMs, 5_000);
  await world.post({ kind: "mark", atMs: 1_002, acceptedAtMs: 6_000 });
  await world.mesh.advance(1_000);
  assert.equal((await world.chunks()).at(-1)?.acceptedAtMs, 6_000);
  await world.mesh.stop();
});

Deno.test("all examples of a ranking go to one partition, and acceptance marks go to all", async () => {
  const world = new JoinerWorld(joinerOptions(), Infinity, Infinity, 2);
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
