/**
 * Random sequences of everything that a training table does, against a plain Map: no row may be
 * wrong, missing or left over, a replica fed by deltas must equal its source although deltas and
 * acknowledgements are lost, and a snapshot must be the table as it was when it began.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import type { TableDelta } from "../../../kernels/embedding/table_deltas.ts";
import type { TableOptions } from "../../../kernels/embedding/options.ts";
import type { SnapshotChunk, SnapshotHeader } from "../../../kernels/embedding/table_snapshot.ts";
import { modelledOptions, SLOTS, TableModel } from "./table_model.ts";

type Operation =
  | { kind: "update"; first: number; count: number; occurrences: number; gradient: number }
  | { kind: "assign"; first: number; count: number; value: number }
  | { kind: "advance"; seconds: number }
  | { kind: "evict" }
  | { kind: "delta"; fate: "applied" | "lost" | "unacknowledged"; rowsMax: number }
  | { kind: "export"; rowsMax: number }
  | { kind: "beginSnapshot" }
  | { kind: "nextChunk"; rowsMax: number };

const checksums = BatchKernel.create();

/** Ids of the universe: spread over slots, with 0, the high bit and all ones among them. */
function idOf(index: number): bigint {
  if (index === 1) return (1n << 64n) - 1n;
  const high = index % 7 === 3 ? 1n << 63n : 0n;
  return high | (BigInt(index % SLOTS) << 48n) | BigInt(index);
}

function operations(universe: number): fc.Arbitrary<Operation[]> {
  const range = {
    first: fc.nat(universe - 1),
    count: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: universe })),
  };
  const rowsMax = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 50, max: 2000 }));
  const kind = <K extends Operation["kind"]>(kind: K) => fc.constant(kind);
  return fc.array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          kind: kind("update"),
          ...range,
          occurrences: fc.integer({ min: 1, max: 4 }),
          gradient: fc.integer({ min: -8, max: 8 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: kind("assign"),
          ...range,
          value: fc.integer().map((n) => n % 1000),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ kind: kind("advance"), seconds: fc.integer({ min: 1, max: 120 }) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: kind("evict") }) },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: kind("delta"),
          fate: fc.constantFrom("applied" as const, "lost" as const, "unacknowledged" as const),
          rowsMax,
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: kind("export"), rowsMax }) },
      { weight: 1, arbitrary: fc.record({ kind: kind("beginSnapshot") }) },
      { weight: 3, arbitrary: fc.record({ kind: kind("nextChunk"), rowsMax }) },
    ),
    { minLength: 1, maxLength: 40 },
  );
}

/** A table, its model, its replica and its snapshot. */
class World {
  readonly table: EmbeddingTable;
  readonly model = new TableModel();
  /** Rows of a replica, and the sequence that it has applied and acknowledged. */
  readonly replica = new Map<bigint, number>();
  applied = 0;
  acknowledged = 0;
  last: TableDelta | undefined;
  snapshot:
    | { header: SnapshotHeader; chunks: SnapshotChunk[]; rows: Map<bigint, number> }
    | undefined;

  constructor(readonly options: TableOptions, readonly universe: number) {
    this.table = EmbeddingTable.create(options);
    this.table.deltas.begin(0);
  }

  idsFrom(first: number, count: number) {
    const length = Math.min(count, this.universe - first);
    return BigUint64Array.from({ length }, (_, offset) => idOf(first + offset));
  }

  /** Rows that a table holds, one value each; every column must hold it. */
  held(table: EmbeddingTable): Map<bigint, number> {
    const ids = this.idsFrom(0, this.universe);
    const rows = new Float32Array(ids.length * table.width);
    const found = new Uint8Array(ids.length);
    table.lookup(ids, rows, "zeros", found);
    const held = new Map<bigint, number>();
    ids.forEach((id, at) => {
      const row = rows.subarray(at * table.width, (at + 1) * table.width);
      assert.ok(row.every((value) => value === row[0]), `row of ${id} is mixed`);
      if (found[at]) held.set(id, row[0]);
      else assert.equal(row[0], 0);
    });
    assert.ok(table.statistics().rows >= held.size, "expired rows are not found");
    return held;
  }

  values(): Map<bigint, number> {
    return new Map([...this.model.rows].map(([id, { value }]) => [id, value]));
  }

  run(operation: Operation): void {
    const { table, model } = this;
    switch (operation.kind) {
      case "update": {
        const ids = this.idsFrom(operation.first, operation.count);
        const { gradient, occurrences } = operation;
        const gradients = new Float32Array(ids.length * table.width).fill(gradient);
        const counts = new Uint32Array(ids.length).fill(occurrences);
        table.applyGradients(ids, gradients, counts, model.clockSeconds);
        ids.forEach((id) => model.applyGradient(id, gradient, occurrences));
        return;
      }
      case "assign": {
        const ids = this.idsFrom(operation.first, operation.count);
        const rows = new Float32Array(ids.length * table.width).fill(operation.value);
        table.assign(ids, rows, model.clockSeconds);
        ids.forEach((id) => model.assign(id, operation.value));
        return;
      }
      case "advance":
        // The kernel's clock is the newest update time, so an update carries it.
        model.clockSeconds += operation.seconds;
        table.assign(BigUint64Array.of(idOf(0)), new Float32Array(table.width), model.clockSeconds);
        model.assign(idOf(0), 0);
        return;
      case "evict":
        assert.equal(table.evictExpired(0xffff_ffff), model.evictExpired());
        return;
      case "delta":
        this.takeDelta(operation.rowsMax, operation.fate);
        return;
      case "export": {
        const exported = new Map<bigint, number>();
        for (let cursor = 0, done = false; !done;) {
          const page = table.reader.rows(cursor, operation.rowsMax);
          page.ids.forEach((id, at) => {
            assert.ok(!exported.has(id), `${id} is exported twice`);
            exported.set(id, page.rows[at * table.width]);
          });
          ({ cursor, done } = page);
        }
        assert.deepEqual(sorted(exported), sorted(this.values()));
        return;
      }
      case "beginSnapshot":
        this.snapshot = { header: table.snapshots.begin(), chunks: [], rows: model.current() };
        return;
      case "nextChunk":
        this.nextChunk(operation.rowsMax);
        return;
      default:
        operation satisfies never;
    }
  }

  takeDelta(rowsMax: number, fate: "applied" | "lost" | "unacknowledged"): boolean {
    const delta = this.table.deltas.take(0, this.acknowledged, rowsMax);
    if (delta === undefined) return false;
    assert.ok(delta !== "overflowed");
    assert.equal(delta.sequence, this.acknowledged + 1);
    if (delta.sequence === this.last?.sequence) assert.deepEqual(delta, this.last);
    else assert.ok(delta.ids.length <= rowsMax && delta.tombstones.length <= rowsMax);
    this.last = delta;
    assert.equal(delta.checksum, checksums.crc32c(delta.ids, delta.rows, delta.tombstones));
    if (fate !== "lost" && delta.sequence === this.applied + 1) {
      delta.ids.forEach((id, at) => this.replica.set(id, delta.rows[at * this.table.width]));
      delta.tombstones.forEach((id) => this.replica.delete(id));
      this.applied = delta.sequence;
    }
    if (fate === "applied") this.acknowledged = this.applied;
    return true;
  }

  nextChunk(rowsMax: number): boolean {
    const { snapshot } = this;
    if (snapshot === undefined) return false;
    const chunk = this.table.snapshots.nextChunk(rowsMax);
    if (chunk !== undefined) {
      assert.ok(chunk.rows <= rowsMax);
      snapshot.chunks.push(chunk);
      return true;
    }
    this.snapshot = undefined;
    // Into two shards: together they are the table as it was.
    const together = new Map<bigint, number>();
    for (const shard of [0, 1]) {
      const half = EmbeddingTable.create(this.options);
      const restore = half.restore(snapshot.header, { shard, shards: 2 });
      snapshot.chunks.forEach((chunk) => restore.take(chunk));
      for (const [id, value] of this.held(half)) together.set(id, value);
    }
    assert.deepEqual(sorted(together), sorted(snapshot.rows));
    return false;
  }

  /** Everything that was begun comes to its end. */
  finish(): void {
    while (this.nextChunk(700));
    while (this.takeDelta(700, "applied"));
    assert.deepEqual(sorted(this.replica), sorted(this.values()));
    assert.deepEqual(sorted(this.held(this.table)), sorted(this.model.current()));
    assert.equal(this.table.statistics().rows, this.model.rows.size);
  }
}

const sorted = (map: Map<bigint, number>) =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, value]) => [id, value + 0]);

function compare(options: TableOptions, universe: number, numRuns: number): void {
  fc.assert(
    fc.property(operations(universe), (sequence) => {
      const world = new World(options, universe);
      for (const operation of sequence) world.run(operation);
      world.finish();
    }),
    { numRuns },
  );
}

Deno.test("any sequence of operations leaves the rows of the model", () => {
  compare(modelledOptions({ dim: 1 }), 700, 200);
});

Deno.test("any sequence of operations leaves the rows of the model if rows are wide", () => {
  compare(modelledOptions({ dim: 1500 }), 2500, 12);
});

Deno.test("at the memory limit rows are evicted, none is wrong and every replica gets the tombstones", () => {
  fc.assert(
    fc.property(
      operations(3000),
      fc.constantFrom(
        "reject" as const,
        "evictLeastRecentlyUsed" as const,
        "evictLeastFrequentlyUsed" as const,
      ),
      (sequence, atLimit) => {
        const world = new World(modelledOptions({ dim: 30, atLimit, bytesMax: 160_000 }), 3000);
        for (const operation of sequence) {
          // Rows evicted for room and refused ids are known to the table alone; snapshots are
          // tested above.
          if (operation.kind !== "update" && operation.kind !== "delta") continue;
          world.run(operation);
          const held = world.held(world.table);
          for (const id of world.model.rows.keys()) {
            if (!held.has(id)) world.model.rows.delete(id);
          }
          assert.ok(world.table.statistics().bytes <= 160_000);
          // A row that went and came back has begun anew.
          for (const [id, value] of held) world.model.assign(id, value);
        }
        while (world.takeDelta(500, "applied"));
        assert.deepEqual(sorted(world.replica), sorted(world.held(world.table)));
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("weights do not depend on when expired rows are evicted", () => {
  const step = fc.record({
    first: fc.nat(500),
    count: fc.integer({ min: 1, max: 200 }),
    gradient: fc.integer({ min: -3, max: 3 }),
    seconds: fc.nat(90),
    assigns: fc.boolean(),
    sweptBuckets: fc.constantFrom(0, 0, 1, 20, 0xffff),
  });
  const options: TableOptions = {
    ...modelledOptions({ dim: 3 }),
    slices: [{
      name: "embeddings",
      dim: 3,
      initializer: { kind: "uniform", low: -1, high: 1 },
      optimizer: { kind: "adagrad", learningRate: 0.1, initialAccumulator: 0.1 },
    }],
  };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const [swept, unswept] = [options, options].map((each) => EmbeddingTable.create(each));
      let clockSeconds = 0;
      const all = BigUint64Array.from({ length: 700 }, (_, index) => idOf(index));
      const lookUp = (table: EmbeddingTable, ids = all) => {
        const rows = new Float32Array(ids.length * 3);
        const found = new Uint8Array(ids.length);
        table.lookup(ids, rows, "initial", found);
        return { rows, found };
      };
      const update = (ids: typeof all, gradient: number, assigns: boolean) => {
        const values = new Float32Array(ids.length * 3).fill(gradient);
        for (const table of [swept, unswept]) {
          if (assigns) table.assign(ids, values, clockSeconds);
          else {
            const counts = new Uint32Array(ids.length).fill(1);
            table.applyGradients(ids, values, counts, clockSeconds);
          }
        }
      };
      for (const { first, count, gradient, seconds, assigns, sweptBuckets } of steps) {
        swept.evictExpired(sweptBuckets);
        clockSeconds += seconds;
        update(all.slice(first, first + count), gradient, assigns);
        assert.deepEqual(lookUp(swept), lookUp(unswept));
      }
      update(all, 1, false); // which shows the state of the optimizer, too
      assert.deepEqual(lookUp(swept), lookUp(unswept));
    }),
    { numRuns: 60 },
  );
});

Deno.test("fifty rounds of insertion and expiry do not grow memory past its plateau", () => {
  const table = EmbeddingTable.create(modelledOptions({ dim: 16 }));
  let plateau = 0;
  let middle = 0;
  for (let round = 0; round < 50; round++) {
    const ids = BigUint64Array.from(
      { length: 20_000 },
      (_, index) => (1n << 48n) | (BigInt(round) << 20n) | BigInt(index),
    );
    const counts = new Uint32Array(ids.length).fill(1);
    table.applyGradients(ids, new Float32Array(ids.length * 16).fill(1), counts, round * 1000);
    assert.ok(table.evictExpired(0xffff_ffff) === (round === 0 ? 0 : 20_000));
    assert.equal(table.statistics().rows, 20_000);
    if (round === 3) plateau = table.statistics().bytes;
    if (round === 25) middle = table.statistics().bytes;
  }
  // Every round's ids fall a little differently on the slices, whose fullest moments differ by a
  // few rows.
  const { bytes } = table.statistics();
  assert.ok(bytes - plateau < 50_000, `${bytes} bytes after a plateau of ${plateau}`);
  assert.ok(bytes - middle < 10_000, `${bytes} bytes after ${middle} half-way`);
});
