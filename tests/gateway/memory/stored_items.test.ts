/**
 * Stored items that a gateway's pool of negatives knows after a restart.
 */
import assert from "node:assert/strict";
import { StoredItems } from "../../../gateway/memory/stored_items.ts";
import { MemoryProfileStore } from "../../../mesh/adapters/memory/memory_profile_store.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { ItemPool } from "../../../structures/item_pool.ts";

async function fixture(items: number, itemsMax = 10_000) {
  const clock = new VirtualClock();
  const telemetry = new TelemetryRecorder();
  const profiles = new MemoryProfileStore(clock);
  for (let i = 0; i < items; i++) await profiles.put("item", `i${i}`, {});
  await profiles.put("user", "ann", {});
  const pool = new ItemPool({ eventsMax: 100, itemsMax, uniformShare: 0.5 });
  const parts = { profiles, pool, clock, telemetry };
  return { ...parts, stored: new StoredItems(parts) };
}

/** All known items, by so many draws that each one comes. */
function known(pool: ItemPool): Set<string> {
  return new Set(pool.sample(20_000, () => false, (draw) => 0.5 * ((draw * 0.6180339887) % 1)));
}

Deno.test("all stored items of several pages become known, and only once", async () => {
  const { stored, pool, clock } = await fixture(700);
  stored.begin();
  stored.begin();
  await clock.advance(1_000);
  assert.equal(known(pool).size, 700);
  assert.deepEqual(pool.sample(1, () => false, () => 0.75), [], "they have no events");
  stored.begin();
  await stored.stop();
});

Deno.test("reading ends at the bound of known items and replaces none", async () => {
  const { stored, pool, clock } = await fixture(2_000, 300);
  pool.add("bought");
  stored.begin();
  await clock.advance(60_000);
  assert.equal(pool.hasRoom, false);
  await stored.stop();
  assert.ok(known(pool).size === 300);
});

Deno.test("a failed read is told, and one a minute later reads all items", async () => {
  const { stored, pool, profiles, clock, telemetry } = await fixture(600);
  const list = profiles.list.bind(profiles);
  let failing = true;
  let reads = 0;
  profiles.list = (...page) => {
    reads++;
    return failing ? Promise.reject(new Error("the store is away")) : list(...page);
  };
  stored.begin();
  await clock.advance(1_000);
  assert.match(telemetry.lines[0].message, /cannot read stored items/);
  failing = false;
  stored.begin();
  await clock.advance(1_000);
  assert.deepEqual([reads, known(pool).size], [1, 0], "not within the minute");
  await clock.advance(60_000);
  stored.begin();
  await clock.advance(1_000);
  assert.equal(known(pool).size, 600);
  assert.equal(telemetry.lines.length, 1);
});

Deno.test("a stop ends the reading between two pages", async () => {
  const { stored, pool, clock } = await fixture(2_000);
  stored.begin();
  const stopped = stored.stop();
  await clock.advance(100);
  await stopped;
  assert.ok(known(pool).size < 2_000);
});
