import assert from "node:assert/strict";
import fc from "fast-check";
import { type CellSecret, cellShift, homeCell } from "../../structures/cell_secret.ts";
import { type Fingerprint, fingerprintOf } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";
import { FingerprintTable } from "../../structures/fingerprint_table.ts";

/** Takes a key's home from the top bits of its low word. */
const lowWordOnly = { low: 1, high: 0 };

/** The low word whose home in a table of 128 cells is `home`. */
const lowOf = (home: number) => (home << 25) >>> 0;

/**
 * Few homes and few keys, so that probes cross and wrap around the table's end, also while it
 * grows.
 */
const key = fc.record({
  low: fc.oneof(fc.nat(3), fc.integer({ min: 60, max: 67 }), fc.integer({ min: 124, max: 127 }))
    .map(lowOf),
  high: fc.nat(40),
});

Deno.test("it answers as a Map does, whatever is set and deleted", () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ key, value: fc.maxSafeNat().filter((v) => v < 2 ** 53 - 2) }),
    },
    { weight: 1, arbitrary: fc.record({ key }) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 900, size: "max" }), (steps) => {
    const map = new FingerprintMap(lowWordOnly);
    const model = new Map<string, number>();
    const name = ({ low, high }: Fingerprint) => `${low}/${high}`;
    for (const step of steps) {
      const { key } = step;
      if ("value" in step) {
        map.set(key, step.value);
        model.set(name(key), step.value);
      } else assert.equal(map.delete(key), model.delete(name(key)));
      assert.equal(map.get(key), model.get(name(key)));
      assert.equal(map.size, model.size);
    }
    for (let home = 0; home < 128; home++) {
      const low = lowOf(home);
      for (let high = 0; high <= 40; high++) {
        assert.equal(map.get({ low, high }), model.get(name({ low, high })));
        assert.equal(map.has({ low, high }), model.has(name({ low, high })));
      }
    }
  }));
});

Deno.test("ids that count, and ids that differ by little, have fingerprints of their own in either word", () => {
  const ids = [
    ...Array.from({ length: 50_000 }, (_, i) => `ranking-${i}`),
    ...Array.from({ length: 50_000 }, (_, i) => `${i}-ranking`),
    ...Array.from({ length: 256 * 64 }, (_, i) => String.fromCharCode(i >>> 6, i & 63)),
  ];
  const all = ids.map(fingerprintOf);
  assert.equal(new Set(all.map(({ low, high }) => `${low}/${high}`)).size, ids.length);
  // Among n random 32-bit words n²/2^33 pairs are equal: 1.6 for this n.
  for (const word of ["low", "high"] as const) {
    assert.ok(new Set(all.map((fingerprint) => fingerprint[word])).size > ids.length - 10);
  }
  const ofParity = all.filter(({ low }) => low % 2 === 0).length;
  assert.ok(Math.abs(ofParity / ids.length - 0.5) < 0.01, "partitions get equal shares");
});

Deno.test("fingerprints never change, because partitions of the logs are chosen by them", () => {
  assert.deepEqual(fingerprintOf("7f8d9f0e-2f57-4a64-9e3f-0d5a6f6d9c11"), {
    low: 3_674_789_553,
    high: 2_963_291_580,
  });
});

/** Secrets with nothing in common but that their words are odd. */
const someSecrets = Array.from({ length: 20 }, (_, i) => {
  const { low, high } = fingerprintOf(`secret-${i}`);
  return { low: (low | 1) >>> 0, high: (high | 1) >>> 0 };
});

Deno.test("the secret of a table chooses the cell of a key", () => {
  const key = fingerprintOf("ranking-1");
  for (const secret of someSecrets) {
    const table = new FingerprintTable(1_024, secret);
    table.set(key, 1);
    const other = new FingerprintTable(1_024, secret);
    let cell = 0;
    for (table.move(cell, other); other.size === 0;) table.move(++cell, other);
    assert.equal(cell, homeCell(secret, key.low, key.high, cellShift(1_024)));
  }
});

Deno.test("keys chosen to share their low bits do not share homes more often than the bound", () => {
  const chosen = Array.from({ length: 20_000 }, (_, i) => ({
    low: i << 16 >>> 0,
    high: fingerprintOf(`id-${i}`).high & 0xff,
  }));
  const cells = 32_768;
  const pairsOf = (secret: CellSecret) => {
    const keys = new Uint32Array(cells);
    let pairs = 0;
    for (const { low, high } of chosen) {
      pairs += keys[homeCell(secret, low, high, cellShift(cells))]++;
    }
    return pairs;
  };
  const mean = someSecrets.reduce((sum, secret) => sum + pairsOf(secret), 0) / someSecrets.length;
  // Two keys share a home with a probability of at most 2 / cells.
  assert.ok(mean <= 20_000 * 19_999 / 2 * 2 / cells, `${mean} pairs`);
});
