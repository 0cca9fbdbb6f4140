import assert from "node:assert/strict";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";

const draw = (random: SeededRandom, name: string, count = 20) =>
  Array.from({ length: count }, () => random.stream(name).nextUint32());

Deno.test("the same seed and name give the same numbers; others give others", () => {
  assert.deepEqual(draw(new SeededRandom(7), "a"), draw(new SeededRandom(7), "a"));
  assert.notDeepEqual(draw(new SeededRandom(7), "a"), draw(new SeededRandom(8), "a"));
  assert.notDeepEqual(draw(new SeededRandom(7), "a"), draw(new SeededRandom(7), "b"));
  assert.notDeepEqual(draw(new SeededRandom(7), "a"), draw(new SeededRandom(7 + 2 ** 32), "a"));
});

Deno.test("a further draw for one purpose changes no other stream", () => {
  const [plain, disturbed] = [new SeededRandom(1), new SeededRandom(1)];
  disturbed.stream("other").nextFloat();
  assert.deepEqual(draw(plain, "a"), draw(disturbed, "a"));
});

Deno.test("floats are uniform in [0, 1)", () => {
  const stream = new SeededRandom(3).stream("floats");
  const bins = new Array(10).fill(0);
  for (let i = 0; i < 100_000; i++) {
    const value = stream.nextFloat();
    assert.ok(value >= 0 && value < 1);
    bins[Math.floor(value * 10)]++;
  }
  // Four standard errors of a bin's count.
  for (const count of bins) assert.ok(Math.abs(count - 10_000) < 4 * Math.sqrt(100_000 * 0.09));
});

Deno.test("identifiers are distinct, repeatable, and look like UUIDs", () => {
  const random = new SeededRandom(5);
  const ids = Array.from({ length: 1_000 }, () => random.uuid());
  assert.equal(new Set(ids).size, 1_000);
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  assert.equal(new SeededRandom(5).uuid(), ids[0]);
});
