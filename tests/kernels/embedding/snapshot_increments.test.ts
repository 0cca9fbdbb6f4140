import assert from "node:assert/strict";
import fc from "fast-check";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import type { TableOptions } from "../../../kernels/embedding/options.ts";
import type { SnapshotChunk, SnapshotHeader } from "../../../kernels/embedding/table_snapshot.ts";

const DIM = 4;
const options: TableOptions = {
  seed: 1,
  slices: [{
    name: "embeddings",
    dim: DIM,
    initializer: { kind: "uniform", low: -0.05, high: 0.05 },
    optimizer: {
      kind: "adagrad",
      learningRate: 0.1,
      initialAccumulator: 0.1,
      weightDecay: 0,
    },
  }],
  slots: [
    { number: 0, admission: { kind: "threshold", threshold: 0 } },
    { number: 1, admission: { kind: "threshold", threshold: 3 }, expirySeconds: 40 },
    { number: 2, admission: { kind: "probability", probability: 0.5 }, expirySeconds: 90 },
  ],
  bytesMax: 200_000,
  atLimit: "evictLeastRecentlyUsed",
};

const ASIDE_BYTES_MAX = options.bytesMax / 4;

interface Member {
  readonly header: SnapshotHeader;
  readonly chunks: readonly SnapshotChunk[];
}

/** Everything that a snapshot has to bring back, in a form to compare. */
function contentOf(table: EmbeddingTable) {
  const { rowsInTable, clockSeconds, updates, newestGeneration } = table.snapshots.moment();
  const lines = [...table.reader.counters(1000)].flatMap(({ bytes }) =>
    Array.from(
      { length: bytes.length / 72 },
      (_, line) => [...bytes.subarray(72 * line, 72 * line + 72)].join(),
    )
  );
  const { rows, digest } = table.reader.digest();
  return {
    rowsInTable,
    clockSeconds,
    updates,
    newestGeneration,
    lines: lines.sort(),
    rows,
    digest,
  };
}

function restored(chain: readonly Member[]): EmbeddingTable {
  const table = EmbeddingTable.create(options);
  for (const { header, chunks } of chain) {
    const restore = table.restore(header, { shard: 0, shards: 1, counters: true });
    for (const chunk of chunks) restore.take(chunk);
  }
  return table;
}

/** A table that writes snapshots into a store that may lose them. */
class World {
  table = EmbeddingTable.create(options);
  chain: Member[] = [];
  /** Whether the snapshot that was begun last is stored. */
  lastIsStored = false;
  seconds = 1;

  learn(seed: number, spread: number, count: number, passedSeconds: number): void {
    this.seconds += passedSeconds;
    const drawn = Array.from({ length: count }, (_, i) => {
      const random = (Math.imul(seed + i, 0x9E3779B1) >>> 0) % spread;
      return (BigInt(random % 3) << 48n) | BigInt(random);
    });
    const ids = BigUint64Array.from(new Set(drawn));
    const gradients = Float32Array.from({ length: ids.length * DIM }, (_, i) => Math.sin(seed + i));
    this.table.applyGradients(ids, gradients, new Uint32Array(ids.length).fill(1), this.seconds);
  }

  remove(seed: number, spread: number): void {
    const ids = Array.from({ length: 20 }, (_, i) => (seed + 7 * i) % spread);
    this.table.remove(BigUint64Array.from(ids, (id) => (BigInt(id % 3) << 48n) | BigInt(id)));
  }

  /** @param fate Whether all is written and named by a manifest, or not. */
  snapshot(fate: "stored" | "lost" | "abandoned", wantsFull: boolean, chunkRows: number): void {
    const changes = this.table.snapshots.cut(this.lastIsStored);
    this.lastIsStored = false;
    const kind = wantsFull || !changes.known || this.chain.length === 0 ? "full" : "increment";
    const expected = contentOf(this.table);
    const header = this.table.snapshots.begin(kind);
    const chunks: SnapshotChunk[] = [];
    for (let number = 0;; number++) {
      if (fate === "abandoned" && number === 2) return this.table.snapshots.end();
      // Changes may outrun a snapshot of so small a table; then it is given up.
      const asideBytes = this.table.snapshots.limitAside(ASIDE_BYTES_MAX);
      if (asideBytes > 0.7 * ASIDE_BYTES_MAX) return this.table.snapshots.end();
      const chunk = this.table.snapshots.nextChunk(chunkRows);
      if (chunk === undefined) break;
      chunks.push(chunk);
      // The table changes while its snapshot is written.
      this.learn(number * 31, 5000, 50, 1);
      if (number % 3 === 0) this.remove(number, 5000);
    }
    if (kind === "increment") {
      const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
      assert.ok(bytes <= changes.bytes, `${bytes} of at most ${changes.bytes}`);
    }
    if (fate !== "stored") return;
    this.lastIsStored = true;
    this.chain = [...(kind === "full" ? [] : this.chain), { header, chunks }];
    assert.deepEqual(contentOf(restored(this.chain)), expected);
  }

  /** The process was killed: the table begins from the stored rows. */
  restart(): void {
    this.table = restored(this.chain);
    if (this.chain.length > 0) this.table.snapshots.settle();
    this.lastIsStored = false;
  }
}

const operation = fc.oneof(
  fc.record({
    kind: fc.constant("learn" as const),
    seed: fc.nat(1 << 20),
    spread: fc.constantFrom(50, 2000, 40_000, 40_000),
    count: fc.integer({ min: 1, max: 5000 }),
    passed: fc.integer({ min: 0, max: 30 }),
  }),
  fc.record({ kind: fc.constant("expire" as const), buckets: fc.integer({ min: 1, max: 2000 }) }),
  fc.record({ kind: fc.constant("remove" as const), seed: fc.nat(5000) }),
  fc.record({
    kind: fc.constant("snapshot" as const),
    fate: fc.constantFrom(
      "stored" as const,
      "stored" as const,
      "lost" as const,
      "abandoned" as const,
    ),
    full: fc.boolean(),
    chunkRows: fc.constantFrom(40, 700),
  }),
  fc.record({ kind: fc.constant("restart" as const) }),
);

Deno.test("a chain restores what a full snapshot of its cut would, whatever changed, failed or restarted", () => {
  fc.assert(
    fc.property(fc.array(operation, { minLength: 4, maxLength: 30, size: "max" }), (operations) => {
      const world = new World();
      for (const each of operations) {
        if (each.kind === "learn") world.learn(each.seed, each.spread, each.count, each.passed);
        else if (each.kind === "expire") world.table.evictExpired(each.buckets);
        else if (each.kind === "remove") world.remove(each.seed, 5000);
        else if (each.kind === "restart") world.restart();
        else world.snapshot(each.fate, each.full, each.chunkRows);
      }
      world.snapshot("stored", false, 500);
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

Deno.test("an increment has the touched rows alone, and its size follows them", () => {
  const world = new World();
  for (let part = 0; part < 10; part++) world.learn(part * 1000, 3000, 1000, 0);
  world.snapshot("stored", false, 10_000);
  const [full] = world.chain;
  const { bytes } = world.table.snapshots.cut(true);
  world.table.snapshots.begin("full");
  world.table.snapshots.end();
  assert.ok(bytes < 60 * 100, "the changes while the snapshot was written");
  world.learn(1, 3000, 10, 0);
  const touched = world.table.snapshots.cut(true);
  const { rows } = world.table.snapshots.begin("increment");
  assert.equal(touched.known, true);
  assert.ok(rows > 0 && rows <= 10, `${rows}`);
  assert.ok(touched.bytes < full.header.rows);
});

Deno.test("changes are known only since a snapshot that is stored", () => {
  const world = new World();
  world.learn(1, 1000, 500, 0);
  assert.equal(world.table.snapshots.cut(false).known, false);
  world.table.snapshots.begin("full");
  assert.equal(world.table.snapshots.cut(false).known, false, "the first one was lost");
  world.table.snapshots.begin("full");
  assert.equal(world.table.snapshots.cut(true).known, true);
});

Deno.test("a table that forgets more removed ids than it remembers writes all rows", () => {
  const table = EmbeddingTable.create({ ...options, slots: [], bytesMax: 1 << 26 });
  const ids = BigUint64Array.from({ length: 300_000 }, (_, i) => BigInt(i));
  const learn = () => table.assign(ids, new Float32Array(ids.length * DIM), 1);
  learn();
  table.snapshots.cut(false);
  table.snapshots.begin("full");
  assert.equal(table.snapshots.cut(true).known, true);
  table.snapshots.begin("increment");
  table.remove(ids);
  assert.equal(table.snapshots.cut(true).known, false);
  table.snapshots.begin("full");
  assert.equal(table.snapshots.cut(true).known, true);
});
