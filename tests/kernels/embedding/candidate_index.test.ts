import assert from "node:assert/strict";
import fc from "fast-check";
import { CandidateIndex } from "../../../kernels/embedding/candidate_index.ts";

const all = (count: number) => new Uint32Array(Math.ceil(count / 32)).fill(0xffff_ffff);

Deno.test("a search gives the best items by inner product and bias, the best first", () => {
  const index = new CandidateIndex(2, 10);
  index.write([0, 1, 2], Float32Array.of(1, 0, 0, 0, 1, 0.5, -1, 0, 5));
  const query = Float32Array.of(1, 0);
  const found = index.search({ query, mask: all(3), order: "innerProduct", count: 2 });
  assert.deepEqual([...found.indices], [2, 0]);
  assert.ok(Math.abs(found.scores[0] - 4) < 1e-4 && Math.abs(found.scores[1] - 1) < 1e-4);
  const alike = index.search({ query, mask: all(3), order: "cosine", count: 3 });
  assert.deepEqual([...alike.indices], [0, 1, 2]);
});

Deno.test("a vector that is written again replaces the former, and the mask leaves items out", () => {
  const index = new CandidateIndex(1, 100);
  index.write([40, 3], Float32Array.of(5, 0, 4, 0));
  index.write([40], Float32Array.of(1, 0));
  const query = Float32Array.of(1);
  const search = (
    mask: Uint32Array,
  ) => [...index.search({ query, mask, order: "innerProduct", count: 2 }).indices];
  assert.deepEqual(search(Uint32Array.of(1 << 3, 1 << 8)), [3, 40]);
  assert.deepEqual(search(Uint32Array.of(0, 1 << 8)), [40]);
  assert.deepEqual(search(new Uint32Array(0)), []);
});

Deno.test("an index out of range is refused, and the index stays usable", () => {
  assert.throws(() => new CandidateIndex(0, 10), /Cannot make candidates/);
  assert.throws(() => new CandidateIndex(513, 10), /Cannot make candidates/);
  const index = new CandidateIndex(1, 10);
  assert.throws(() => index.write([10], Float32Array.of(1, 0)), /Cannot write candidates/);
  index.write([9], Float32Array.of(1, 0));
  const query = Float32Array.of(1);
  assert.equal(index.search({ query, mask: all(10), order: "cosine", count: 9 }).scores.length, 9);
});

Deno.test("the scores found are those of the vectors, within the error of their codes", () => {
  const vector = fc.array(fc.float({ min: -10, max: 10, noNaN: true }), {
    minLength: 20,
    maxLength: 20,
  });
  fc.assert(
    fc.property(fc.array(vector, { minLength: 1, maxLength: 40 }), vector, (vectors, query) => {
      const index = new CandidateIndex(19, 64);
      index.write(vectors.map((_, i) => i), Float32Array.from(vectors.flat()));
      const { indices, scores } = index.search({
        query: Float32Array.from(query),
        mask: all(40),
        order: "innerProduct",
        count: 40,
      });
      assert.equal(indices.length, vectors.length);
      const error = query.reduce((sum, x) => sum + Math.abs(x), 0) * 10 * (0.5 / 127 + 1e-3) + 1e-3;
      indices.forEach((item, i) => {
        const exact = vectors[item].slice(0, 19)
          .reduce((sum, x, n) => sum + x * query[n], vectors[item][19]);
        assert.ok(Math.abs(exact - scores[i]) <= error);
      });
    }),
  );
});
