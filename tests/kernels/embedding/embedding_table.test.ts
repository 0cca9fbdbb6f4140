/**
 * The training table, called as a shard calls it. Expected values are published ones of Monolith.
 */
import assert from "node:assert/strict";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import type {
  FeatureIds,
  SparseOptimizerOptions,
  TableOptions,
} from "../../../kernels/embedding/options.ts";

const ids = (...values: (number | bigint)[]): FeatureIds => BigUint64Array.from(values, BigInt);
const ones = (length: number) => new Uint32Array(length).fill(1);

function options(overrides: Partial<TableOptions> = {}): TableOptions {
  return {
    seed: 7,
    slices: [{
      name: "embeddings",
      dim: 1,
      initializer: { kind: "zeros" },
      optimizer: { kind: "sgd", learningRate: 0.1 },
    }],
    slots: [],
    bytesMax: 64 << 20,
    atLimit: "reject",
    ...overrides,
  };
}

function lookup(table: EmbeddingTable, of: FeatureIds, missing: "zeros" | "initial" = "zeros") {
  const out = new Float32Array(of.length * table.width);
  const found = new Uint8Array(of.length);
  table.lookup(of, out, missing, found);
  return { rows: [...out], found: [...found] };
}

/** The next delta of a consumer whose tombstones fit. */
function takeDelta(table: EmbeddingTable, consumer: number, acknowledged: number) {
  const delta = table.deltas.take(consumer, acknowledged, 100);
  assert.ok(delta !== "overflowed");
  return delta;
}

function near(actual: readonly number[], expected: readonly number[]) {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, at) =>
    assert.ok(Math.abs(value - expected[at]) <= 1e-6, `${actual} is not ${expected}`)
  );
}

Deno.test("a lookup miss gives zeros and inserts nothing", () => {
  const table = EmbeddingTable.create(options());
  assert.deepEqual(lookup(table, ids(5)), { rows: [0], found: [0] });
  assert.equal(table.statistics().rows, 0);
  assert.equal(table.statistics().missing, 1);
});

Deno.test("ids are opaque: 0, 1 and ids with the high bit are three rows", () => {
  const table = EmbeddingTable.create(options());
  const all = ids(0, 1, BigInt.asUintN(64, -10n), 1n << 63n, (1n << 64n) - 1n);
  table.assign(all, Float32Array.of(1, 2, 2.5, 4, 5), 0);
  assert.deepEqual(lookup(table, all), { rows: [1, 2, 2.5, 4, 5], found: [1, 1, 1, 1, 1] });
});

Deno.test("duplicates summed before the step give the reference values", () => {
  const table = EmbeddingTable.create(options());
  table.applyGradients(ids(0, 1), Float32Array.of(-2, -1), Uint32Array.of(2, 1), 0);
  near(lookup(table, ids(0, 1)).rows, [0.2, 0.1]);
});

Deno.test("a threshold of 3 counts each occurrence and applies the share beyond it", () => {
  const table = EmbeddingTable.create(options({
    slots: [{ number: 0, admission: { kind: "threshold", threshold: 3 } }],
  }));
  const seen: number[][] = [];
  for (let step = 0; step < 4; step++) {
    table.applyGradients(ids(0, 1), Float32Array.of(-2, -1), Uint32Array.of(2, 1), 0);
    seen.push(lookup(table, ids(0, 1)).rows);
  }
  [[0, 0], [0.1, 0], [0.3, 0], [0.5, 0.1]].forEach((row, step) => near(seen[step], row));
  assert.equal(table.statistics().filtered, 4);
});

Deno.test("only expired rows of a slot with expiry are evicted, and consumers get tombstones", () => {
  const day = 86_400;
  const slot = (number: number, days: number) => ({
    number,
    admission: { kind: "threshold", threshold: 0 } as const,
    expirySeconds: days * day,
  });
  const table = EmbeddingTable.create(options({ slots: [slot(1, 5), slot(2, 6), slot(3, 14)] }));
  const rows = ids(1n << 48n, 2n << 48n, 3n << 48n);
  table.deltas.begin(0);
  table.applyGradients(rows, new Float32Array(3).fill(-1), ones(3), 1000);
  assert.equal(takeDelta(table, 0, 0)?.ids.length, 3);
  table.applyGradients(ids(3n << 48n | 9n), Float32Array.of(-1), ones(1), 1000 + 5 * day + 60);
  assert.equal(table.evictExpired(1000), 1);
  assert.deepEqual(lookup(table, rows).found, [0, 1, 1]);
  const delta = takeDelta(table, 0, 1);
  assert.deepEqual([...delta!.tombstones], [1n << 48n]);
  assert.equal(table.statistics().evicted, 1);
});

Deno.test("the initial value of an absent id is that of its later row, in any table with this seed", () => {
  const slices = [{
    name: "embeddings",
    dim: 19,
    initializer: { kind: "uniform", low: -0.05, high: 0.05 },
    optimizer: { kind: "adagrad", learningRate: 0.1, initialAccumulator: 0.1 },
  }] as const;
  const [first, second] = [1, 2].map(() => EmbeddingTable.create(options({ slices })));
  const some = ids(3, 1n << 60n, 77);
  const initial = lookup(first, some, "initial").rows;
  assert.ok(initial.some((value) => value !== 0));
  first.applyGradients(some, new Float32Array(3 * 19), ones(3), 0);
  assert.deepEqual(lookup(first, some).rows, initial);
  assert.deepEqual(lookup(second, some, "initial").rows, initial);
});

Deno.test("a gradient that is not finite changes nothing and is counted", () => {
  const table = EmbeddingTable.create(options());
  table.applyGradients(ids(1, 2), Float32Array.of(NaN, -1), ones(2), 0);
  assert.deepEqual(lookup(table, ids(1, 2)).found, [0, 1]);
  table.applyGradients(ids(2), Float32Array.of(Infinity), ones(1), 0);
  near(lookup(table, ids(2)).rows, [0.1]);
  assert.equal(table.statistics().rejected, 2);
});

Deno.test("a gradient so large that its square would be infinite changes nothing and is counted", () => {
  const slices: TableOptions["slices"] = [{
    name: "embeddings",
    dim: 1,
    initializer: { kind: "zeros" },
    optimizer: { kind: "adam", learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 0.01 },
  }];
  const table = EmbeddingTable.create(options({ slices }));
  for (const gradient of [1, 1e25, -3e38, 1]) {
    table.applyGradients(ids(3, 4), Float32Array.of(gradient, gradient), ones(2), 0);
  }
  assert.equal(table.statistics().rejected, 4);
  assert.ok(lookup(table, ids(3)).rows.every((weight) => weight < 0));
});

Deno.test("a delta is repeated until it is acknowledged, and a hot id is one entry", () => {
  const table = EmbeddingTable.create(options());
  table.deltas.begin(0);
  assert.equal(takeDelta(table, 0, 0), undefined);
  for (let step = 0; step < 5; step++) {
    table.applyGradients(ids(4), Float32Array.of(-1), ones(1), 0);
  }
  const first = takeDelta(table, 0, 0)!;
  assert.deepEqual([first.sequence, [...first.ids]], [1, [4n]]);
  near([...first.rows], [0.5]);
  table.applyGradients(ids(5), Float32Array.of(-1), ones(1), 0);
  assert.deepEqual(takeDelta(table, 0, 0), first);
  const second = takeDelta(table, 0, 1)!;
  assert.deepEqual([second.sequence, [...second.ids]], [2, [5n]]);
  assert.equal(takeDelta(table, 0, 2), undefined);
  assert.throws(() => takeDelta(table, 0, 1), /behind/);
  assert.throws(() => takeDelta(table, 0, 3), /never given/);
});

Deno.test("a consumer gets the changes since it began, and must begin before it takes", () => {
  const table = EmbeddingTable.create(options());
  table.deltas.begin(0);
  table.applyGradients(ids(4, 5), Float32Array.of(-1, -1), ones(2), 0);
  assert.throws(() => takeDelta(table, 1, 0), /begin before they take/);
  table.deltas.begin(1);
  table.applyGradients(ids(5, 6), Float32Array.of(-1, -1), ones(2), 0);
  assert.deepEqual([...takeDelta(table, 0, 0)!.ids].sort(), [4n, 5n, 6n]);
  assert.deepEqual([...takeDelta(table, 1, 0)!.ids].sort(), [5n, 6n]);
  table.applyGradients(ids(4), Float32Array.of(-1), ones(1), 0);
  table.deltas.begin(0);
  assert.equal(takeDelta(table, 0, 0), undefined);
});

Deno.test("an export returns every row once", () => {
  const table = EmbeddingTable.create(options());
  const count = 50_000;
  const all = BigUint64Array.from({ length: count }, (_, index) => BigInt(index) << 20n);
  table.assign(all, Float32Array.from({ length: count }, (_, index) => index), 0);
  const seen = new Map<bigint, number>();
  for (let cursor = 0, done = false; !done;) {
    const page = table.reader.rows(cursor, 1000);
    assert.ok(page.ids.length <= 1000);
    page.ids.forEach((id, at) => {
      assert.ok(!seen.has(id));
      seen.set(id, page.rows[at]);
    });
    ({ cursor, done } = page);
  }
  assert.equal(seen.size, count);
  assert.ok([...seen].every(([id, value]) => value === Number(id >> 20n)));
});

Deno.test("at the memory limit new ids are refused or the least useful rows evicted, as configured", () => {
  const fill = (atLimit: TableOptions["atLimit"]) => {
    const table = EmbeddingTable.create(options({ atLimit, bytesMax: 1 << 20 }));
    for (let batch = 0; batch < 100; batch++) {
      const some = BigUint64Array.from(
        { length: 1000 },
        (_, index) => BigInt(batch * 1000 + index),
      );
      table.applyGradients(some, new Float32Array(1000).fill(-1), ones(1000), batch);
      // A favourite, updated in every batch.
      table.applyGradients(ids(1n << 40n), Float32Array.of(-1), ones(1), batch);
    }
    const statistics = table.statistics();
    assert.ok(statistics.bytes <= 1 << 20);
    const oldest = lookup(table, ids(1, 2, 3)).found;
    const newest = lookup(table, ids(99_997, 99_998, 99_999)).found;
    const favourite = lookup(table, ids(1n << 40n)).found;
    return { statistics, oldest, newest, favourite };
  };
  const rejected = fill("reject");
  assert.ok(rejected.statistics.rejected > 1000);
  assert.deepEqual([rejected.oldest, rejected.newest], [[1, 1, 1], [0, 0, 0]]);
  const recent = fill("evictLeastRecentlyUsed");
  assert.ok(recent.statistics.evicted > 1000);
  assert.deepEqual([recent.oldest, recent.newest], [[0, 0, 0], [1, 1, 1]]);
  const frequent = fill("evictLeastFrequentlyUsed");
  assert.ok(frequent.statistics.evicted > 1000);
  assert.deepEqual(frequent.favourite, [1]);
});

Deno.test("impossible options are refused with the number of the wrong word", () => {
  assert.throws(() => EmbeddingTable.create(options({ bytesMax: 100 })), /memory limit/);
  assert.throws(
    () =>
      EmbeddingTable.create(options({
        slots: [{ number: 40_000, admission: { kind: "threshold", threshold: 0 } }],
      })),
    /word 18/,
  );
});

Deno.test("two slices use their own optimizers and rates, and a schedule scales one of them", () => {
  const adagrad = (learningRate: number, initialAccumulator: number) =>
    ({ kind: "adagrad", learningRate, initialAccumulator }) as const;
  const slices = [
    { name: "bias", dim: 1, initializer: { kind: "zeros" }, optimizer: adagrad(1, 1) },
    { name: "embeddings", dim: 2, initializer: { kind: "zeros" }, optimizer: adagrad(2, 2) },
  ] as const;
  const table = EmbeddingTable.create(options({ slices }));
  table.applyGradients(ids(1), Float32Array.of(1, 2, 3), ones(1), 0);
  near(lookup(table, ids(1)).rows, [-0.70710677, -1.6329931, -1.8090681]);
  table.setLearningRateScale("embeddings", 0.5);
  table.applyGradients(ids(2), Float32Array.of(1, 2, 3), ones(1), 0);
  near(lookup(table, ids(2)).rows, [-0.70710677, -1.6329931 / 2, -1.8090681 / 2]);
  assert.throws(() => table.setLearningRateScale("wide", 1), /the table has bias, embeddings/);
});

Deno.test("a slot overrides initializer and optimizer, whose state fits the widest of all slots", () => {
  const table = EmbeddingTable.create(options({
    slots: [{
      number: 2,
      admission: { kind: "threshold", threshold: 0 },
      slices: {
        embeddings: {
          initializer: { kind: "constant", value: 3 },
          optimizer: { kind: "adam", learningRate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 0.01 },
        },
      },
    }],
  }));
  const both = ids(1n << 48n, 2n << 48n);
  table.applyGradients(both, Float32Array.of(10, 10), ones(2), 0);
  near(lookup(table, both).rows, [-1, 3 - 0.00990099]);
  table.applyGradients(both, Float32Array.of(10, 10), ones(2), 0);
  near(lookup(table, both).rows, [-2, 3 - 0.0198306]);
});

Deno.test("a batch of slots with like and unlike optimizers gives the bits of its ids one by one", () => {
  const own = (optimizer: SparseOptimizerOptions) => ({ embeddings: { optimizer } });
  const admission = { kind: "threshold", threshold: 0 } as const;
  const adam = { kind: "adam", learningRate: 0.1, beta1: 0.9, beta2: 0.9, epsilon: 1 } as const;
  const slots: TableOptions["slots"] = [
    { number: 1, admission, slices: own(adam) },
    { number: 2, admission, expirySeconds: 10 },
    { number: 3, admission, slices: own({ kind: "sgd", learningRate: 0.3 }) },
  ];
  const slotAt = (at: number) => BigInt([0, 2, 2, 1, 3, 0][at % 6]);
  const batch = ids(...Array.from({ length: 300 }, (_, at) => slotAt(at) << 48n | BigInt(at)));
  const [together, apart] = [1, 2].map(() => EmbeddingTable.create(options({ slots })));
  for (let step = 1; step <= 3; step++) {
    const gradients = Float32Array.from(
      batch,
      (_, at) => at % 7 === step ? NaN : Math.sin(at * step),
    );
    together.applyGradients(batch, gradients, ones(batch.length), step);
    for (let at = 0; at < batch.length; at++) {
      const one = [batch, gradients].map((all) => all.subarray(at, at + 1));
      apart.applyGradients(one[0] as FeatureIds, one[1] as Float32Array, ones(1), step);
    }
  }
  assert.deepEqual(lookup(together, batch), lookup(apart, batch));
  assert.ok(lookup(together, batch).rows.every((weight, at) => weight !== 0 || at === 0));
  for (const count of ["updated", "rejected"] as const) {
    assert.equal(together.statistics()[count], apart.statistics()[count]);
  }
});

Deno.test("admission by probability admits about that share of single occurrences, the same on every run", () => {
  const count = 20_000;
  const admitted = () => {
    const table = EmbeddingTable.create(options({
      slots: [{ number: 0, admission: { kind: "probability", probability: 0.3 } }],
    }));
    const some = BigUint64Array.from({ length: count }, (_, index) => BigInt(index));
    table.applyGradients(some, new Float32Array(count), ones(count), 0);
    return table.statistics();
  };
  const { admitted: first, filtered } = admitted();
  assert.ok(Math.abs(first / count - 0.3) < 0.02);
  assert.equal(first + filtered, count);
  assert.equal(admitted().admitted, first);
});

Deno.test("a late update does not make a row look older", () => {
  const table = EmbeddingTable.create(options({
    slots: [{ number: 0, admission: { kind: "threshold", threshold: 0 }, expirySeconds: 10 }],
  }));
  table.applyGradients(ids(1), Float32Array.of(1), ones(1), 100);
  table.applyGradients(ids(1), Float32Array.of(1), ones(1), 50);
  table.applyGradients(ids(2), Float32Array.of(1), ones(1), 109);
  assert.equal(table.evictExpired(100), 0);
  table.applyGradients(ids(2), Float32Array.of(1), ones(1), 110);
  assert.equal(table.evictExpired(100), 1);
});

Deno.test("a row inserted by a late update expires as if it had come in order", () => {
  const slots: TableOptions["slots"] = [
    { number: 1, admission: { kind: "threshold", threshold: 0 }, expirySeconds: 50 },
  ];
  const [early, late] = [ids((1n << 48n) + 1n), ids((1n << 48n) + 2n)];
  const evicted = [[10, 100], [100, 10]].map((seconds) => {
    const table = EmbeddingTable.create(options({ slots }));
    for (const each of seconds) {
      table.applyGradients(each === 10 ? early : late, Float32Array.of(1), ones(1), each);
    }
    return table.evictExpired(1000);
  });
  assert.deepEqual(evicted, [1, 1]);
});

Deno.test("a consumer whose tombstones overflow is told so, and the table goes on", () => {
  const bound = 1 << 18;
  const count = 4096;
  const table = EmbeddingTable.create(options({
    bytesMax: 1 << 20,
    atLimit: "evictLeastRecentlyUsed",
  }));
  table.deltas.begin(0);
  table.deltas.begin(1);
  let acknowledged = 0;
  for (let round = 0; table.statistics().evicted <= bound; round++) {
    const some = BigUint64Array.from({ length: count }, (_, at) => BigInt(round * count + at));
    table.applyGradients(some, new Float32Array(count).fill(-1), ones(count), round);
    assert.deepEqual(lookup(table, some).found, new Array(count).fill(1));
    const delta = table.deltas.take(1, acknowledged, 1 << 20);
    assert.ok(delta !== "overflowed");
    acknowledged = delta!.sequence;
  }
  assert.equal(table.statistics().rejected, 0);
  assert.equal(table.deltas.take(0, 0, 100), "overflowed");
  table.deltas.begin(0);
  table.applyGradients(ids(7), Float32Array.of(-1), ones(1), 0);
  assert.deepEqual([...takeDelta(table, 0, 0)!.ids], [7n]);
});

Deno.test("statistics count lookups, admissions, updates, evictions and rejections", () => {
  const table = EmbeddingTable.create(options());
  const some = BigUint64Array.from({ length: 5000 }, (_, index) => BigInt(index));
  table.applyGradients(some, new Float32Array(5000), ones(5000), 77);
  lookup(table, ids(1, 2, 99_999));
  const statistics = table.statistics(true);
  const { rows, lookups, missing, admitted, updated, clockSeconds, displacement } = statistics;
  assert.deepEqual([rows, lookups, missing, admitted, updated, clockSeconds], [
    5000,
    3,
    1,
    5000,
    5000,
    77,
  ]);
  assert.equal(displacement![0] + displacement![1], 5000);
  assert.ok(statistics.load > 0.4 && statistics.load <= 0.96);
  assert.ok(statistics.bytes >= 5000 * statistics.rowBytes);
});
