import assert from "node:assert/strict";
import fc from "fast-check";
import { MergedStreams } from "../../structures/merged_streams.ts";

/** Reads a list in pieces of this length. */
function pieces<T>(list: readonly T[], length: number): () => Promise<readonly T[]> {
  let at = 0;
  return () => Promise.resolve(list.slice(at, at += length));
}

async function takeAll<T>(merged: MergedStreams<T>): Promise<T[]> {
  const taken: T[] = [];
  for (let next = await merged.next(); next !== undefined; next = await merged.next()) {
    taken.push(next.entry);
  }
  return taken;
}

Deno.test("ascending streams are merged into one ascending stream with all their entries", async () => {
  const stream = fc.array(fc.nat(20), { maxLength: 15 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(stream, { maxLength: 4 }),
      fc.integer({ min: 1, max: 5 }),
      async (streams, length) => {
        const sorted = streams.map((numbers) => numbers.toSorted((a, b) => a - b));
        const merged = new MergedStreams(sorted.map((s) => pieces(s, length)), (a, b) => a < b);
        assert.deepEqual(await takeAll(merged), sorted.flat().sort((a, b) => a - b));
      },
    ),
  );
});

Deno.test("each stream keeps its order, and equal entries come from the first stream", async () => {
  const merged = new MergedStreams(
    [pieces(["b1", "a1"], 1), pieces(["b2", "c2"], 2)],
    (a, b) => a[0] < b[0],
  );
  assert.deepEqual(await takeAll(merged), ["b1", "a1", "b2", "c2"]);
});

Deno.test("entries that come after the end are read by the next call", async () => {
  const list: number[] = [];
  let at = 0;
  const merged = new MergedStreams(
    [() => Promise.resolve(list.slice(at, at = list.length))],
    () => false,
  );
  assert.equal(await merged.next(), undefined);
  list.push(7);
  assert.deepEqual(await merged.next(), { stream: 0, entry: 7 });
  assert.equal(await merged.next(), undefined);
});
