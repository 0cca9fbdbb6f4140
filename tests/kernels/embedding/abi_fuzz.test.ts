/**
 * Goal: no call of an export traps or leaves inconsistent rows, whatever its arguments. Method:
 * random sequences of exports with random arguments, in and out of range, over buffers full of
 * noise.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { instantiateKernel, type KernelExports } from "../../../kernels/embedding/kernel_module.ts";
import type { TableOptions } from "../../../kernels/embedding/options.ts";
import { encodeTableOptions } from "../../../kernels/embedding/table_encoding.ts";

type Export = (...args: number[]) => number;
type Step = { call: string; args: number[]; noise: { buffer: string; seed: number } };

const BYTES_MAX = 4 << 20;

const kernelExports = Object.entries(instantiateKernel<KernelExports>())
  .flatMap(([name, value]) => typeof value === "function" ? [name] : []);

/** Bytes of an element, of the buffers that the host writes. */
const BUFFERS: Readonly<Record<string, number>> = {
  candidates_floats: 4,
  candidates_indices: 4,
  candidates_mask: 4,
  table_ids: 8,
  table_floats: 4,
  table_counts: 4,
  table_words: 8,
  table_bytes: 1,
  batch_ids: 8,
  batch_offsets: 4,
  batch_inverse: 4,
  batch_bytes: 1,
  batch_rows: 4,
  batch_slots: 2,
  batch_pooled: 4,
  batch_plan: 4,
  batch_groups: 4,
  batch_gradients: 4,
};

const options: TableOptions = {
  seed: 5,
  slices: [
    {
      name: "bias",
      dim: 1,
      initializer: { kind: "zeros" },
      optimizer: {
        kind: "ftrl",
        learningRate: 0.1,
        beta: 0,
        initialAccumulator: 0.1,
        l1: 0,
        l2: 0,
      },
    },
    {
      name: "embeddings",
      dim: 5,
      initializer: { kind: "uniform", low: -1, high: 1 },
      optimizer: { kind: "adam", learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 0.01 },
    },
  ],
  slots: [{ number: 1, admission: { kind: "threshold", threshold: 2 }, expirySeconds: 3 }],
  bytesMax: BYTES_MAX,
  atLimit: "evictLeastFrequentlyUsed",
};

/**
 * Small numbers, the edges of 16, 31, 32 and 53 bits, and numbers that are no integers. Sizes that
 * a machine could really give are left out.
 */
const argument = fc.oneof(
  { weight: 4, arbitrary: fc.nat(600) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      -1,
      0xffff,
      0x7fff_ffff,
      0x8000_0000,
      0xffff_ffff,
      2 ** 53,
      NaN,
      Infinity,
      0.5,
      -0.5,
    ),
  },
);

const steps = fc.array(
  fc.record({
    call: fc.constantFrom(...kernelExports),
    args: fc.array(argument, { minLength: 7, maxLength: 7 }),
    noise: fc.record({ buffer: fc.constantFrom(...Object.keys(BUFFERS)), seed: fc.nat() }),
  }),
  { maxLength: 60 },
);

/** A buffer as the host sees it: reserving may move memory, so the address comes first. */
function floats64(exports: Record<string, Export>, memory: WebAssembly.Memory, length: number) {
  const address = exports.table_words(length) >>> 0;
  return new Float64Array(memory.buffer, address, length);
}

function idsOf(exports: Record<string, Export>, memory: WebAssembly.Memory, length: number) {
  const address = exports.table_ids(length) >>> 0;
  return new BigUint64Array(memory.buffer, address, length).slice();
}

function bytesOf(exports: Record<string, Export>, memory: WebAssembly.Memory, length: number) {
  const address = exports.table_bytes(length) >>> 0;
  return new Uint8Array(memory.buffer, address, length);
}

/** Ids that repeat, floats of every kind, and small words among large ones. */
function scribble(
  exports: Record<string, Export>,
  memory: WebAssembly.Memory,
  { buffer, seed }: Step["noise"],
) {
  const bytes = BUFFERS[buffer] * 600;
  const address = exports[buffer](600) >>> 0;
  assert.notEqual(address, 0);
  const view = new DataView(memory.buffer, address, bytes);
  let state = seed | 1;
  for (let at = 0; at + 4 <= bytes; at += 4) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + at;
    view.setInt32(
      at,
      seed % 3 === 0 ? state : seed % 3 === 1 ? (state & 0xff) : at % 8 === 0 ? state & 7 : 0,
      true,
    );
  }
}

function assertConsistent(exports: Record<string, Export>, memory: WebAssembly.Memory) {
  const statistics = exports.table_statistics(1);
  if (statistics < 0) return; // No table any more.
  const words = () => floats64(exports, memory, 8);
  const [rows, slots, bytes, , inFirst, inOther] = words();
  assert.ok(rows <= slots && inFirst + inOther === rows);
  assert.ok(Number.isFinite(bytes));
  const seen = new Set<bigint>();
  for (let cursor = 0, done = 0; done === 0;) {
    if (exports.table_export_rows(cursor, 500) < 0) return; // A serving table exports nothing.
    let page = 0;
    [page, cursor, done] = words();
    const ids = idsOf(exports, memory, page);
    ids.forEach((id) => seen.add(id));
    assert.ok(exports.table_bytes(page) !== 0);
    assert.equal(exports.table_lookup(page, 0), 0);
    assert.ok(
      bytesOf(exports, memory, page).every((found) => found === 1),
    );
  }
  assert.equal(seen.size, rows);
}

Deno.test("no sequence of calls traps or leaves inconsistent rows", () => {
  fc.assert(
    fc.property(steps, fc.boolean(), (sequence, serving) => {
      const instance = instantiateKernel<KernelExports>();
      const exports = instance as unknown as Record<string, Export>;
      const { memory } = instance;
      const version = exports.abi_version();
      if (serving) {
        assert.equal(exports.serving_create(6, 2, BYTES_MAX), 0);
      } else {
        const words = encodeTableOptions(options);
        floats64(exports, memory, words.length).set(words);
        assert.equal(exports.table_create(words.length), 6);
      }
      for (const step of sequence) {
        scribble(exports, memory, step.noise);
        exports[step.call](...step.args);
      }
      assert.equal(exports.abi_version(), version);
      assertConsistent(exports, memory);
    }),
    { numRuns: 1_500 },
  );
});

Deno.test("no options trap, and accepted options make a working table", () => {
  const good = [...encodeTableOptions(options)];
  const word = fc.oneof(argument, fc.double());
  const changed = fc.array(fc.tuple(fc.nat(good.length), word), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(changed, fc.nat(good.length), fc.boolean(), (changes, length, cut) => {
      const instance = instantiateKernel<KernelExports>();
      const exports = instance as unknown as Record<string, Export>;
      const words = good.slice(0, cut ? length : good.length);
      for (const [at, value] of changes) words[at % (words.length + 1)] = value;
      floats64(exports, instance.memory, words.length).set(
        words,
      );
      const width = exports.table_create(words.length);
      if (width < 0) return;
      for (const name of ["table_ids", "table_counts", "table_bytes"]) exports[name](50);
      exports.table_floats(50 * width);
      assert.equal(exports.table_apply_gradients(50, 1), 0);
      assert.equal(exports.table_lookup(50, 1), 0);
      assertConsistent(exports, instance.memory);
    }),
    { numRuns: 1_500 },
  );
});
