import assert from "node:assert/strict";
import { valuesOfRows } from "../../../actors/feature_keeper/slot_values.ts";
import { ImpressionRowsReader } from "../../../records/impression_rows_reader.ts";
import { ImpressionRowsWriter } from "../../../records/impression_rows_writer.ts";
import { NumberMemory } from "../../../structures/number_memory.ts";

const idOf = (number: number, value: number) => BigInt(number) << 48n | BigInt(value);

Deno.test("values of a slot are found in whichever column rows of an earlier configuration have it", () => {
  const [brand, category] = [3, 4];
  const ids = {
    [brand]: [[idOf(brand, 7)], []],
    [category]: [[idOf(category, 1), idOf(category, 2)], [idOf(category, 2 ** 40)]],
  };
  for (const order of [[brand, category], [category, brand], [category]]) {
    const lists = [0, 1].flatMap((row) => order.map((number) => ids[number][row]));
    const listOffsets = new Uint32Array(lists.length + 1);
    lists.forEach((list, i) => listOffsets[i + 1] = listOffsets[i] + list.length);
    const bytes = new ImpressionRowsWriter({
      slots: order.length,
      denseWidth: 0,
      schemaFingerprint: order.length,
      sharedSlots: [],
      tasks: 1,
    }).write({
      candidates: [{ id: "a" }, { id: "b" }],
      features: {
        rows: 2,
        ids: BigUint64Array.from(lists.flat()),
        listOffsets,
        dense: new Float32Array(0),
      },
      predictions: [0, 0],
      rows: [0, 1],
    });
    const rows = new ImpressionRowsReader().open(NumberMemory.copyOf(bytes));
    const brands = order.includes(brand) ? [[7], []] : [[], []];
    assert.deepEqual(valuesOfRows(rows, [{ number: category }, { number: brand }]), [
      [[1, 2], brands[0]],
      [[2 ** 40], brands[1]],
    ]);
  }
});
