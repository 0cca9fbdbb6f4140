import assert from "node:assert/strict";
import { PICTURE_EVENTS_MAX, runPage } from "../../../simulation/picture/run_page.ts";
import { drawRunPlan } from "../../../simulation/plan/run_plan.ts";
import { run } from "../../../simulation/run.ts";
import { shippedScenarios } from "../../../simulation/scenarios/shipped.ts";
import { present } from "../../../structures/invariant.ts";

const scenario = present(shippedScenarios.find(({ name }) => name === "quiet"), "it ships");

/** The page of a run of four seconds with a crash at these times, ms. */
async function pageWithCrashesAt(times: readonly number[]): Promise<string> {
  const drawn = drawRunPlan({ seed: 1, scenario, families: [], forMs: 4_000 });
  const faults = times.map((atMs) => ({ kind: "crashActor", atMs, actor: "joiner/0" } as const));
  const plan = { ...drawn, values: {}, clients: drawn.clients.slice(0, 1), faults, healMs: 1 };
  return runPage(plan, await run(plan, scenario, PICTURE_EVENTS_MAX));
}

Deno.test("a fault of the last events has a line among them, to which the list of faults links", async () => {
  const page = await pageWithCrashesAt([100, 3_990]);
  const [, index] = page.match(/<li><a href="#event-(\d+)"> *3\.990s crash joiner\/0<\/a>/) ?? [];
  assert.ok(index !== undefined);
  assert.match(page, new RegExp(`<text id="event-${index}" class="time"[^>]*>3990.000<`));
  assert.match(page, /class="fault-text"[^>]*> *3\.990s crash joiner\/0</);
  assert.match(page, /<li> *0\.100s crash joiner\/0 \(before the events below, or not at all\)/);
});

Deno.test("the names of the lanes stand above, below and between the events", async () => {
  const page = await pageWithCrashesAt([]);
  const names = page.match(/>joiner 0<\/text>/g) ?? [];
  assert.ok(names.length >= 10, `${names.length} times`);
});

Deno.test("the link to the broken promise leads to the lane of the last event", async () => {
  const drawn = drawRunPlan({ seed: 1, scenario, families: [], forMs: 4_000 });
  const plan = { ...drawn, values: {}, clients: drawn.clients.slice(0, 1), faults: [], healMs: 1 };
  const result = await run(plan, scenario, PICTURE_EVENTS_MAX);
  const broken = { kind: "correctness", checker: "c", message: "m", atMs: 4_000 } as const;
  const page = runPage(plan, { ...result, ...broken });
  const x = Number(page.match(/<text id="broken"[^>]* x="([\d.]+)"/)?.[1]);
  const circles = [...page.matchAll(/<circle class="event" cx="([\d.]+)"/g)];
  assert.equal(x, Number(circles.at(-1)?.[1]));
});

Deno.test("in a mesh the names between the events say their host", async () => {
  const mesh = present(shippedScenarios.find(({ name }) => name === "mesh-quiet"), "it ships");
  const plan = drawRunPlan({ seed: 1, scenario: mesh, forMs: 2_000 });
  const page = runPage(plan, await run({ ...plan, healMs: 1 }, mesh, PICTURE_EVENTS_MAX));
  const texts = [...page.matchAll(/<text class="name" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</g)]
    .map(([, x, y, name]) => ({ x, y: Number(y), name }));
  const shards = texts.filter(({ name }) => name === "embedding_shard 1");
  assert.ok(shards.length >= 2, "between the events, and below");
  for (const { x, y } of shards) {
    const above = texts.filter((each) => each.x === x && each.y < y && y - each.y < 18);
    assert.deepEqual(above.map(({ name }) => name.replace(/\d/, "n")), ["table-n"]);
  }
});
