/**
 * Pooling and its gradient against plain TypeScript, to the bit, with several classes, inputs,
 * shards.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Combiner } from "../../../kernels/embedding/options.ts";
import {
  PoolKernel,
  type PoolPart,
  type PoolPlan,
  strideOf,
} from "../../../kernels/embedding/pool_kernel.ts";

interface Case {
  readonly plan: PoolPlan;
  readonly examples: number;
  readonly groupStarts: Uint32Array<ArrayBuffer>;
  readonly inverse: Uint32Array<ArrayBuffer>;
  readonly listOffsets: Uint32Array<ArrayBuffer>;
  /** First float of each distinct id's row. */
  readonly rowStarts: readonly number[];
  readonly rowFloats: number;
  floats(length: number): Float32Array;
}

/** Examples of which the kernel reads one part after another. */
const EXAMPLES_AT_ONCE = 32;

const COMBINERS: readonly (Combiner | "each")[] = ["sum", "mean", "sqrtn", "first", "each"];

const cases: fc.Arbitrary<Case> = fc.record({
  widths: fc.array(fc.integer({ min: 1, max: 21 }), { minLength: 1, maxLength: 3 }),
  slots: fc.integer({ min: 1, max: 4 }),
  blocks: fc.integer({ min: 1, max: 3 }),
  shards: fc.integer({ min: 1, max: 3 }),
  examples: fc.oneof(fc.nat(6), fc.nat(2 * EXAMPLES_AT_ONCE)),
  seed: fc.nat(1 << 20),
}).map(({ widths, slots, blocks, shards, examples, seed }) => {
  let state = seed | 1;
  const random = (below: number) =>
    ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8) % below;
  const classByColumn = Array.from({ length: slots }, () => random(widths.length));
  const part = (slot: number): PoolPart => {
    const width = widths[classByColumn[slot]];
    const column = random(width);
    const combiner = COMBINERS[random(5)];
    const entries = combiner === "each" ? 1 + random(3) : 1;
    return { slot, combiner, entries, column, dim: 1 + random(width - column) };
  };
  const plan: PoolPlan = {
    widths,
    classByColumn,
    // Not every input reads every slot.
    blocks: Array.from({ length: blocks }, () => ({
      parts: classByColumn.flatMap((_, slot) => random(4) === 0 && slot > 0 ? [] : [part(slot)]),
    })),
  };
  const groups = shards * widths.length;
  const groupStarts = new Uint32Array(groups + 1);
  for (let g = 0; g < groups; g++) groupStarts[g + 1] = groupStarts[g] + 1 + random(3);
  const rowStarts: number[] = [];
  let rowFloats = 0;
  for (let g = 0; g < groups; g++) {
    for (let id = groupStarts[g]; id < groupStarts[g + 1]; id++) {
      rowStarts.push(rowFloats);
      rowFloats += widths[g % widths.length];
    }
  }
  const listOffsets = new Uint32Array(examples * slots + 1);
  const inverse: number[] = [];
  for (let k = 0; k < examples * slots; k++) {
    for (let ids = random(5); ids > 0; ids--) {
      const group = random(shards) * widths.length + classByColumn[k % slots];
      inverse.push(groupStarts[group] + random(groupStarts[group + 1] - groupStarts[group]));
    }
    listOffsets[k + 1] = inverse.length;
  }
  return {
    plan,
    examples,
    groupStarts,
    inverse: Uint32Array.from(inverse),
    listOffsets,
    rowStarts,
    rowFloats,
    floats: (length) => Float32Array.from({ length }, () => random(1 << 20) / 2 ** 19 - 1),
  };
});

const DIVISORS = {
  sum: () => 1,
  mean: (n: number) => n,
  sqrtn: (n: number) => Math.fround(Math.sqrt(n)),
  first: () => 1,
  each: () => 1,
};

/**
 * Calls `visit` with where a float of a row goes, in the order in which the kernel adds: slot by
 * slot and part by part, for some examples at a time.
 */
function walk(
  { plan, examples, inverse, listOffsets, rowStarts }: Case,
  visit: (
    block: number,
    to: number,
    from: number,
    place: { n: number; of: number },
    part: PoolPart,
  ) => void,
) {
  const slots = plan.classByColumn.length;
  const visitPart = (example: number, block: number, part: PoolPart, column: number) => {
    const k = example * slots + part.slot;
    const positions = inverse.subarray(listOffsets[k], listOffsets[k + 1]);
    const limit = { first: 1, each: part.entries }[part.combiner as string] ?? Infinity;
    const taken = positions.subarray(0, limit);
    const at = example * strideOf(plan.blocks[block]) + column;
    for (let n = 0; n < taken.length; n++) {
      for (let d = 0; d < part.dim; d++) {
        const to = at + (part.combiner === "each" ? n * part.dim : 0) + d;
        visit(block, to, rowStarts[taken[n]] + part.column + d, { n, of: taken.length }, part);
      }
    }
  };
  for (let first = 0; first < examples; first += EXAMPLES_AT_ONCE) {
    const end = Math.min(first + EXAMPLES_AT_ONCE, examples);
    for (let slot = 0; slot < slots; slot++) {
      for (const [block, { parts }] of plan.blocks.entries()) {
        let column = 0;
        for (const part of parts) {
          for (let example = first; part.slot === slot && example < end; example++) {
            visitPart(example, block, part, column);
          }
          column += part.entries * part.dim;
        }
      }
    }
  }
}

function emptyBlocks({ plan, examples }: Case): Float32Array<ArrayBuffer>[] {
  return plan.blocks.map((block) => new Float32Array(examples * strideOf(block)));
}

Deno.test("pooling equals plain sums, means, root means, firsts and lists to the bit", () => {
  fc.assert(fc.property(cases, fc.nat(), (each, cut) => {
    const rows = each.floats(each.rowFloats);
    const expected = emptyBlocks(each);
    walk(each, (block, to, from, { n, of }, { combiner }) => {
      const out = expected[block];
      out[to] = n === 0 || combiner === "each" ? rows[from] : out[to] + rows[from];
      if (n === of - 1 && n > 0) out[to] /= DIVISORS[combiner](of);
    });
    // In two pieces, as from two shards.
    const pieces = [rows.subarray(0, cut % rows.length), rows.subarray(cut % rows.length)];
    assert.deepEqual(new PoolKernel(each.plan).pool(pieces, each), expected);
  }));
});

Deno.test("the gradient adds each id's share to its row, and 0 to columns that were not read", () => {
  fc.assert(fc.property(cases, (each) => {
    const kernel = new PoolKernel(each.plan);
    kernel.pool([each.floats(each.rowFloats)], each);
    const gradients = emptyBlocks(each).map(({ length }) => each.floats(length));
    const expected = new Float32Array(each.rowFloats);
    walk(each, (block, to, from, { of }, { combiner }) => {
      const share = Math.fround(1 / DIVISORS[combiner](of));
      expected[from] += Math.fround(gradients[block][to] * share);
    });
    assert.deepEqual(kernel.gradients(gradients), expected);
  }));
});

Deno.test("gradients written into the kernel's arrays need no copy, and leave the pooled inputs unchanged", () => {
  fc.assert(fc.property(cases, (each) => {
    const kernel = new PoolKernel(each.plan),
      learning = new PoolKernel(each.plan, { learns: true });
    const rows = each.floats(each.rowFloats);
    const gradients = emptyBlocks(each).map(({ length }) => each.floats(length));
    const expected = kernel.pool([rows], each).map((block) => block.slice());
    const pooled = learning.pool([rows], each);
    const blocks = learning.gradientBlocks();
    blocks.forEach((block, i) => block.set(gradients[i]));
    assert.deepEqual(pooled, expected);
    assert.deepEqual(learning.gradients(blocks), kernel.gradients(gradients));
  }));
});

Deno.test("pooling and its gradient are adjoint: <pool(x), y> = <x, gradients(y)>", () => {
  fc.assert(fc.property(cases, (each) => {
    const kernel = new PoolKernel(each.plan);
    const rows = each.floats(each.rowFloats);
    const gradients = emptyBlocks(each).map(({ length }) => each.floats(length));
    const pooled = kernel.pool([rows], each).map((block) => block.slice());
    const back = kernel.gradients(gradients);
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);
    const forward = pooled.reduce((sum, block, i) => sum + dot(block, gradients[i]), 0);
    assert.ok(Math.abs(forward - dot(rows, back)) < 1e-3);
  }));
});

Deno.test("malformed batches are refused with a reason, and the kernel goes on", () => {
  const part = { slot: 0, combiner: "sum", entries: 1, column: 0, dim: 2 } as const;
  const kernel = new PoolKernel({ widths: [2], classByColumn: [0], blocks: [{ parts: [part] }] });
  const pool = (inverse: number[], offsets: number[], floats = 4) =>
    kernel.pool([new Float32Array(floats)], {
      groupStarts: Uint32Array.of(0, 2),
      inverse: Uint32Array.from(inverse),
      listOffsets: Uint32Array.from(offsets),
    });
  assert.throws(() => pool([2], [0, 1]), /index points past the unique rows/);
  assert.throws(() => pool([0], [0, 2]), /offsets must ascend/);
  assert.throws(() => pool([0], [1, 0]), /offsets must ascend/);
  assert.throws(() => pool([0], [0, 1], 3), /buffer lengths do not fit/);
  assert.equal(pool([1], [0, 1])[0].length, 2);
  assert.throws(() => kernel.gradients([new Float32Array(3)]), /has 2 floats and its gradient 3/);
  assert.throws(
    () => new PoolKernel({ widths: [1], classByColumn: [0], blocks: [{ parts: [part] }] }),
    /the plan does not fit its rows/,
  );
});

Deno.test("an id of another class than its slot's is refused, not read with wrong columns", () => {
  const part = { combiner: "sum", entries: 1, column: 0, dim: 1 } as const;
  const kernel = new PoolKernel({
    widths: [1, 2],
    classByColumn: [0, 1],
    blocks: [{ parts: [{ slot: 0, ...part }, { slot: 1, ...part }] }],
  });
  const groupStarts = Uint32Array.of(0, 1, 2);
  const listOffsets = Uint32Array.of(0, 1, 2);
  const rows = [Float32Array.of(5, 6, 7)];
  const pooled = kernel.pool(rows, { groupStarts, listOffsets, inverse: Uint32Array.of(0, 1) });
  assert.deepEqual([...pooled[0]], [5, 6]);
  assert.throws(
    () => kernel.pool(rows, { groupStarts, listOffsets, inverse: Uint32Array.of(1, 1) }),
    /another class than its slot's/,
  );
});
