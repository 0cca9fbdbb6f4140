/**
 * Memory of rows and of open rankings: the bytes that the parts account for, and the resident
 * memory of the process that they take.
 *
 *     deno run -A tests/bench/growth/memory.ts     a line of JSON for each part
 *
 * Each part is filled with few and then with many items; the difference is their memory alone.
 */
import { HeldImpressions } from "../../../actors/joiner/held_impressions.ts";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import { ServingTable } from "../../../kernels/embedding/serving_table.ts";

/** Memory that one item takes in a part of a process. */
export interface PartMemory {
  readonly part: string;
  /** Bytes that the part accounts for, and by which its limit is checked. */
  readonly accountedBytes: number;
  /** Growth of the resident memory of the process. */
  readonly residentBytes: number;
}

/** A part that is filled up to a number of items. */
interface Filling {
  readonly part: string;
  fill(from: number, to: number): void;
  bytes(): number;
}

const [FEW, MANY] = [200_000, 800_000];
const BATCH = 10_000;
const DIM = 16;
/** Rows of an impression with 50 candidates and two slots, bytes (records/impression_rows.ts). */
const IMPRESSION_ROWS_BYTES = 1_350;
const BYTES_MAX = 2 ** 30;

function batches(from: number, to: number, take: (ids: BigUint64Array<ArrayBuffer>) => void): void {
  for (let begin = from; begin < to; begin += BATCH) {
    take(BigUint64Array.from({ length: Math.min(BATCH, to - begin) }, (_, i) => BigInt(begin + i)));
  }
}

function trainingRows(): Filling {
  const adagrad = { kind: "adagrad", learningRate: 0.1, initialAccumulator: 0.1 } as const;
  const initializer = { kind: "zeros" } as const;
  const table = EmbeddingTable.create({
    seed: 1,
    slices: [
      { name: "first_order", dim: 1, initializer, optimizer: adagrad },
      { name: "embeddings", dim: DIM, initializer, optimizer: adagrad },
    ],
    slots: [],
    bytesMax: BYTES_MAX,
    atLimit: "reject",
  });
  return {
    part: "training row",
    fill: (from, to) =>
      batches(from, to, (ids) => {
        const gradients = new Float32Array(ids.length * table.width);
        table.applyGradients(ids, gradients, new Uint32Array(ids.length).fill(1), 1);
      }),
    bytes: () => table.statistics().bytes,
  };
}

function servingRows(precision: "fp32" | "fp16" | "int8"): Filling {
  const width = DIM + 1;
  const table = ServingTable.create({ width, precision, bytesMax: BYTES_MAX });
  return {
    part: `serving row, ${precision}`,
    fill: (from, to) =>
      batches(from, to, (ids) => table.upsert(ids, new Float32Array(ids.length * width).fill(1))),
    bytes: () => table.statistics().bytes,
  };
}

function openRankings(): Filling {
  const held = new HeldImpressions();
  const rows = new Uint8Array(IMPRESSION_ROWS_BYTES).fill(7);
  return {
    part: "open ranking of 50 candidates",
    fill(from, to) {
      // A tenth as many: each takes more than ten rows.
      for (let n = Math.floor(from / 10); n < Math.floor(to / 10); n++) {
        held.add({
          fingerprint: { low: Math.imul(n, 0x9E3779B1) >>> 0, high: n },
          user: { low: n, high: 1 },
          samplingKey: n,
          atMs: n,
          openedAtMs: n,
          offset: n,
          logSampleRate: 0,
          awaitsShown: false,
        }, rows);
      }
    },
    bytes: () => held.bytes,
  };
}

function measure({ part, fill, bytes }: Filling): PartMemory {
  fill(0, FEW);
  const [accountedBefore, residentBefore] = [bytes(), Deno.memoryUsage().rss];
  fill(FEW, MANY);
  const items = (MANY - FEW) / (part.startsWith("open") ? 10 : 1);
  return {
    part,
    accountedBytes: Math.round((bytes() - accountedBefore) / items),
    residentBytes: Math.round((Deno.memoryUsage().rss - residentBefore) / items),
  };
}

if (import.meta.main) {
  // One part a process: memory that the first one gives back would serve the second.
  const parts = [
    trainingRows,
    () => servingRows("fp32"),
    () => servingRows("fp16"),
    () => servingRows("int8"),
    openRankings,
  ];
  const [number] = Deno.args;
  if (number !== undefined) console.log(JSON.stringify(measure(parts[Number(number)]())));
  else {
    for (const part of parts.keys()) {
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", import.meta.filename ?? "", String(part)],
        stderr: "inherit",
      }).output();
      await Deno.stdout.write(stdout);
    }
  }
}
