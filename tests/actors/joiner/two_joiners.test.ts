/**
 * A joiner whose partition another one has taken over, or whose append had no answer: no example is
 * in the log twice.
 */
import assert from "node:assert/strict";
import type { JoinerMessage } from "../../../actors/joiner/protocol.ts";
import { LogUnavailableError } from "../../../mesh/ports/event_log.ts";
import { JoinerWorld } from "./joiner_world.ts";
import { action, impression, joinerOptions } from "./records.ts";

const BUDGET = { budgetMs: 1_000 };

/** Two joiners of one partition, the second under a later epoch. */
async function withTwo(
  run: (world: JoinerWorld, startSecond: () => Promise<void>) => Promise<void>,
) {
  const world = new JoinerWorld();
  const [one, two] = ["one", "two"].map((name) => world.mesh.node(name));
  await world.start(one, { ...world.options, tenure: 1 });
  await run(world, async () => {
    await world.start(two, { ...world.options, tenure: 2 });
  });
}

let atMs = 1e9;

/** A ranking and its purchases, which are examples at once. */
async function visit(world: JoinerWorld, id: string): Promise<void> {
  const buy = (item: string) => action({ ranking: id, item, action: "buy", atMs: ++atMs });
  const items = [`${id}-a`, `${id}-b`];
  await world.post(impression({ ranking: id, items, atMs: ++atMs }), ...items.map(buy));
  await world.mesh.advance(100);
}

Deno.test("an append that was under way when another joiner took over is refused", async () => {
  await withTwo(async (world, startSecond) => {
    await visit(world, "r1");
    const delay = () => world.mesh.clock.delay(500);
    world.beforeAppend = (tenure) => tenure === 1 ? delay() : Promise.resolve();
    await visit(world, "r2");
    await startSecond();
    await visit(world, "r3");
    const before = await world.names();
    await world.mesh.advance(20_000);
    await visit(world, "r4");
    const names = await world.names();
    assert.deepEqual(names.slice(0, before.length), before);
    assert.equal(new Set(names).size, names.length, `twice: ${names}`);
    assert.equal(names.length, 8);
    const logged = JSON.stringify(
      world.mesh.telemetry.lines.map(({ fields }) => Object.values(fields ?? {}).map(String)),
    );
    assert.match(logged, /its writer must stop/);
  });
});

for (const [tenure, joiner] of [[1, "a placed joiner"], [undefined, "the only joiner"]] as const) {
  Deno.test(`${joiner} does not repeat an append whose answer was lost, but goes on at its newest chunk`, async () => {
    const world = new JoinerWorld();
    await world.start(undefined, { ...world.options, ...(tenure && { tenure }) });
    await visit(world, "r1");
    let lose = true;
    const { append } = world.exampleLog;
    world.exampleLog.append = async (...args) => {
      const offset = await append.apply(world.exampleLog, args);
      if (!lose) return offset;
      lose = false;
      throw new LogUnavailableError("examples", "", new Error("no answer"), true);
    };
    await visit(world, "r2");
    await world.mesh.advance(10_000);
    await visit(world, "r3");
    const names = await world.names();
    assert.equal(names.length, 6, `${names}`);
    assert.equal(new Set(names).size, 6, `${names}`);
  });
}

Deno.test("a joiner without the lease of its host stands still, and goes on with it", async () => {
  const world = new JoinerWorld(joinerOptions());
  const joiner = await world.start(undefined, { ...world.options, tenure: 1 });
  joiner.tell({ kind: "setLeased", isLeased: false } satisfies JoinerMessage);
  await visit(world, "r1");
  assert.deepEqual(await world.names(), []);
  const status = await world.mesh.settle(joiner.ask({ kind: "getStatus" }, BUDGET));
  assert.equal(status.offset, 0);
  joiner.tell({ kind: "setLeased", isLeased: true });
  await world.mesh.advance(200);
  assert.equal((await world.names()).length, 2);
});
