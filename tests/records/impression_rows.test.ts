/** The rows of impressions, written and read back. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { NumberMemory } from "../../structures/number_memory.ts";
import { areRows, areRowsOf, type LoggedFeatures } from "../../records/impression_rows.ts";
import { ImpressionRowsReader } from "../../records/impression_rows_reader.ts";
import { ImpressionRowsWriter } from "../../records/impression_rows_writer.ts";

const twoSlots = { slots: 2, denseWidth: 0, schemaFingerprint: 5, tasks: 1 };

const id64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const idLists = fc.array(id64, { maxLength: 4 });
const texts = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme", size: "large" }),
  fc.string({ unit: "binary" }),
);

/** Candidates of a schema in which some slots have the same ids in all rows. */
const rankings = fc.record({
  sharedSlots: fc.array(fc.boolean(), { maxLength: 5 }),
  denseWidth: fc.nat(3),
})
  .chain(({ sharedSlots, denseWidth }) =>
    fc.record({
      sharedSlots: fc.constant(sharedSlots),
      denseWidth: fc.constant(denseWidth),
      shared: fc.tuple(...sharedSlots.map(() => idLists)),
      candidates: fc.uniqueArray(
        fc.record({
          id: texts,
          own: fc.tuple(...sharedSlots.map(() => idLists)),
          dense: fc.array(fc.float(), { minLength: denseWidth, maxLength: denseWidth }),
          predictions: fc.tuple(fc.float({ noNaN: true }), fc.float()),
        }),
        { selector: ({ id }) => id, maxLength: 8 },
      ),
      picks: fc.array(fc.nat(), { maxLength: 8 }),
    })
  )
  .map(({ sharedSlots, denseWidth, shared, candidates, picks }) => {
    const lists = candidates.flatMap(({ own }) =>
      sharedSlots.map((isShared, slot) => isShared ? shared[slot] : own[slot])
    );
    const listOffsets = new Uint32Array(lists.length + 1);
    lists.forEach((ids, i) => listOffsets[i + 1] = listOffsets[i] + ids.length);
    return {
      shape: { slots: sharedSlots.length, denseWidth, schemaFingerprint: 5 },
      sharedSlots: sharedSlots.flatMap((isShared, slot) => isShared ? [slot] : []),
      shown: {
        candidates,
        features: {
          rows: candidates.length,
          ids: BigUint64Array.from(lists.flat()),
          listOffsets,
          dense: Float32Array.from(candidates.flatMap(({ dense }) => dense)),
        },
        predictions: candidates.flatMap(({ predictions }) => predictions),
        rows: candidates.length === 0
          ? []
          : [...new Set(picks.map((pick) => pick % candidates.length))],
      },
      lists,
    };
  });

function contents(
  { ids, listOffsets, dense }: LoggedFeatures,
  row: number,
  { slots, denseWidth }: { slots: number; denseWidth: number },
) {
  const id = (i: number) => BigInt(ids[2 * i]) | BigInt(ids[2 * i + 1]) << 32n;
  return {
    lists: Array.from({ length: slots }, (_, slot) => {
      const [from, to] = listOffsets.subarray(row * slots + slot, row * slots + slot + 2);
      return Array.from({ length: to - from }, (_, i) => id(from + i));
    }),
    dense: [...dense.subarray(row * denseWidth, (row + 1) * denseWidth)],
  };
}

Deno.test("rows are read as written, in the order shown, at any position in memory", () => {
  const reader = new ImpressionRowsReader();
  fc.assert(fc.property(rankings, fc.nat(3), ({ shape, sharedSlots, shown, lists }, before) => {
    const writer = new ImpressionRowsWriter({ ...shape, sharedSlots, tasks: 2 });
    writer.write(shown);
    const bytes = writer.write(shown); // where other rows lay before
    assert.ok(areRowsOf(shape, bytes));
    const memory = new NumberMemory(new SharedArrayBuffer(4 * before + 4 * bytes.length));
    memory.bytes.set(bytes, 4 * before);
    reader.open(memory, 4 * before);
    const { candidates, features, rows } = shown;
    assert.equal(reader.rows, rows.length);
    assert.deepEqual(reader.items(), rows.map((row) => candidates[row].id));
    const bits = new Uint32Array(features.dense.buffer);
    rows.forEach((row, i) => {
      assert.equal(reader.rowOf(candidates[row].id), i);
      assert.equal(reader.prediction(i), candidates[row].predictions[0]);
      assert.deepEqual(contents(reader.features(), i, shape), {
        lists: lists.slice(row * shape.slots, (row + 1) * shape.slots),
        dense: [...bits.subarray(row * shape.denseWidth, (row + 1) * shape.denseWidth)],
      });
    });
    for (let row = 0; row < candidates.length; row++) {
      if (!rows.includes(row)) assert.equal(reader.rowOf(candidates[row].id), -1);
    }
  }));
});

Deno.test("the features of a row are the same alone, in any order of reading", () => {
  const [whole, alone] = [new ImpressionRowsReader(), new ImpressionRowsReader()];
  const order = fc.array(fc.nat(), { maxLength: 20 });
  fc.assert(fc.property(rankings, order, ({ shape, sharedSlots, shown }, read) => {
    const bytes = new ImpressionRowsWriter({ ...shape, sharedSlots, tasks: 2 }).write(shown);
    whole.open(NumberMemory.copyOf(bytes));
    alone.open(NumberMemory.copyOf(bytes));
    if (whole.rows === 0) return;
    for (const draw of read) {
      const row = draw % whole.rows;
      assert.deepEqual(
        contents(alone.featuresOfRowAlone(row), 0, shape),
        contents(whole.features(), row, shape),
      );
    }
  }));
});

Deno.test("bytes of other columns or of another length are not rows of these columns", () => {
  fc.assert(fc.property(rankings, fc.nat(), ({ shape, sharedSlots, shown }, cut) => {
    const bytes = new ImpressionRowsWriter({ ...shape, sharedSlots, tasks: 2 }).write(shown);
    assert.ok(!areRowsOf({ ...shape, slots: shape.slots + 1 }, bytes));
    assert.ok(!areRowsOf({ ...shape, denseWidth: shape.denseWidth + 1 }, bytes));
    assert.ok(!areRowsOf({ ...shape, schemaFingerprint: 6 }, bytes));
    assert.ok(!areRowsOf(shape, bytes.subarray(0, cut % bytes.length)));
    assert.ok(!areRowsOf(shape, Uint8Array.of(...bytes, 0)));
  }));
});

Deno.test("rows with a changed byte are refused, or read within their own bytes", () => {
  const reader = new ImpressionRowsReader();
  fc.assert(fc.property(
    rankings,
    fc.nat(),
    fc.integer({ min: 1, max: 255 }),
    ({ shape, sharedSlots, shown }, at, change) => {
      const bytes = new ImpressionRowsWriter({ ...shape, sharedSlots, tasks: 2 }).write(shown)
        .slice();
      bytes[at % bytes.length] ^= change;
      if (!areRows(bytes)) return;
      reader.open(NumberMemory.copyOf(bytes));
      const { listOffsets } = reader.features();
      const { slots } = shape;
      assert.equal(reader.items().length, reader.rows);
      assert.ok(reader.rows * slots <= bytes.length / 2 || slots === 0);
      const ids = listOffsets[reader.rows * slots];
      assert.ok(ids <= bytes.length / 8 * Math.max(1, reader.rows));
    },
  ));
  const huge = new Uint32Array([5, 1_000, 40, 0, 0, 0, 0]);
  assert.ok(
    !areRows(new Uint8Array([...new Uint8Array(huge.buffer), ...new Uint8Array(4_080).fill(255)])),
  );
  assert.ok(!areRows(new Uint8Array(Uint32Array.of(5, 0xffff_ffff, 0, 0, 0, 0, 0).buffer)));
});

Deno.test("ids that all rows share are stored once", () => {
  const bytesOf = (sharedSlots: readonly number[]) =>
    new ImpressionRowsWriter({ ...twoSlots, sharedSlots }).write({
      candidates: Array.from({ length: 100 }, (_, i) => ({ id: `${i}` })),
      features: {
        rows: 100,
        ids: new BigUint64Array(200),
        listOffsets: Uint32Array.from({ length: 201 }, (_, i) => i),
        dense: new Float32Array(0),
      },
      predictions: new Float32Array(100),
      rows: Array.from({ length: 100 }, (_, i) => i),
    }).length;
  assert.equal(bytesOf([]) - bytesOf([0]), 99 * 8 + 100 * 2);
});

Deno.test("the bytes are those of the example in docs/data_on_disk.md", () => {
  const writer = new ImpressionRowsWriter({ ...twoSlots, sharedSlots: [0] });
  const [user, a, bc] = [10n, 11n, 12n];
  const bytes = writer.write({
    candidates: [{ id: "a" }, { id: "bc" }],
    features: {
      rows: 2,
      ids: BigUint64Array.of(user, a, user, bc),
      listOffsets: Uint32Array.of(0, 1, 2, 3, 4),
      dense: new Float32Array(0),
    },
    predictions: [0.75, 0.5],
    rows: [0, 1],
  });
  const expected = new Uint8Array([
    ...new Uint8Array(Uint32Array.of(5, 2, 2, 0, 1, 3, 3, 1, 3).buffer),
    ...new Uint8Array(Float32Array.of(0.75, 0.5).buffer),
    ...new Uint8Array(BigUint64Array.of(user, a, bc).buffer),
    ...new Uint8Array(Uint16Array.of(2, 0, 1, 1).buffer),
    ...new TextEncoder().encode("abc"),
  ]);
  assert.deepEqual(new Uint8Array(bytes), expected);
});
