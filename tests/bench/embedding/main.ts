/**
 * Cairn's embedding kernel and native hash maps in one run, on one thread each, with the same keys,
 * rows and batches. Answers are compared before anything is timed, and contenders take turns.
 *
 *     deno task bench:embedding [--json] [--quick] [--keys 1000000,4000000] [--dim 8,16,64]
 *         [--rounds 7] [--huge-pages no|yes|both]
 *
 * Rates are operations per second of core time. With huge pages, Cairn's tables are collapsed after
 * insertion, as a server does it, and the peers' allocator asks for them from the start.
 */
import { parseArgs } from "node:util";
import { CairnContender } from "./cairn_contender.ts";
import type { Contender } from "./contender.ts";
import { processorName } from "./core_time.ts";
import { measureGrowth, measureMemory } from "./memory_and_growth.ts";
import { findTorch } from "../torch_python.ts";
import { compilePeer, NATIVE_NAMES, NativePeer } from "./native_peer.ts";
import { type Rates, takeInsertTurns, takeTurns } from "./rounds.ts";
import { type Distribution, DISTRIBUTIONS, type Sequences, writeSequences } from "./sequences.ts";

const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    keys: { type: "string" },
    dim: { type: "string" },
    rounds: { type: "string" },
    "huge-pages": { type: "string", default: "no" },
  },
});
const numbers = (text: string | undefined, fallback: readonly number[]) =>
  text ? text.split(",").map(Number) : fallback;
const keyCounts = numbers(flags.keys, flags.quick ? [100_000] : [1_000_000, 4_000_000]);
const dims = numbers(flags.dim, flags.quick ? [16] : [8, 16, 64]);
const rounds = Number(flags.rounds ?? (flags.quick ? 3 : 7));
const insertRounds = flags.quick ? 2 : 3;
const pageSizes = { no: [false], yes: [true], both: [false, true] }[flags["huge-pages"]];
if (pageSizes === undefined) throw new Error("--huge-pages is no, yes or both");
const processor = processorName();
const batches = [256, 4096];
/** Draws of one timed slice. */
const sliceDraws = 1 << 16;
const checkedDraws = 1 << 16;
const tolerance = 1e-6;

function print(line: Record<string, unknown>): void {
  if (flags.json) return console.log(JSON.stringify(line));
  const { bench, unit: _, ...rest } = line;
  const show = (value: unknown) => typeof value === "number" ? +value.toFixed(2) : value;
  const words = Object.entries(rest).map(([name, value]) => `${name}=${show(value)}`);
  console.log(`${String(bench).padEnd(16)} ${words.join("  ")}`);
}

async function openContenders(sequences: Sequences, hugePages: boolean): Promise<Contender[]> {
  const contenders: Contender[] = [new CairnContender(sequences, hugePages)];
  for (const name of NATIVE_NAMES) {
    const compiled = await compilePeer(name);
    if ("program" in compiled) {
      contenders.push(new NativePeer(name, compiled.program, [sequences.folder], hugePages));
    } else {
      console.error(`${name} is absent: ${compiled.absent}`);
    }
  }
  return contenders;
}

/** Ours and every peer's rate; a missing peer is null. */
function rateColumns(rates: Rates, peers: readonly string[] = NATIVE_NAMES) {
  const columns = ["ours", ...peers].map((name) => [name, rates.get(name) ?? null]);
  return { ...Object.fromEntries(columns), unit: "Mops/s" };
}

async function assertSameSums(contenders: readonly Contender[], distribution: Distribution) {
  const [ours, ...peers] = contenders;
  const expected = await ours.sum(distribution, checkedDraws);
  for (const peer of peers) {
    const sum = await peer.sum(distribution, checkedDraws);
    if (Math.abs(sum - expected) > tolerance * Math.abs(expected)) {
      throw new Error(`${peer.name} and Cairn disagree: Σ weights is ${sum} and ${expected}`);
    }
  }
}

/** The draws of a slice; starts again at the first after the last. */
function sliceOf(distribution: Distribution, batch: number, slice: number, draws: number) {
  const count = sliceDraws / batch;
  return { distribution, batch, start: slice * count % (draws / batch), batches: count };
}

/** Whether all contenders together, with doubling during growth, fit into this machine's memory. */
function fits(keys: number, rowFloats: number): boolean {
  const needed = keys * rowFloats * 4 * 8.5;
  const { available } = Deno.systemMemoryInfo();
  if (needed < 0.9 * available) return true;
  const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
  console.error(
    `left out: ${keys} keys with ${rowFloats} floats a row need ${gigabytes(needed)} GB for all ` +
      `contenders, ${gigabytes(available)} GB are free`,
  );
  return false;
}

/** One run of tables: all contenders with the same keys, rows and pages. */
interface Run {
  readonly contenders: Contender[];
  readonly sequences: Sequences;
  readonly dim: number;
  readonly hugePages: boolean;
}

async function benchTables({ contenders, sequences, dim, hugePages }: Run, learns: boolean) {
  const table = learns ? "training" : "serving";
  const shape = { keys: sequences.keys.length, dim, table, hugePages, processor };
  const draws = sequences.draws.uniform.length;
  for (const contender of contenders) await contender.create(dim, learns);
  const inserted = await takeInsertTurns(
    contenders,
    insertRounds,
    sequences.keys.length,
    (contender) => contender.insert(4096),
  );
  for (const contender of contenders) await contender.settle();
  const ours = contenders[0] as CairnContender;
  for (const distribution of DISTRIBUTIONS) {
    ours.assertRows(distribution, checkedDraws);
    await assertSameSums(contenders, distribution);
  }
  print({
    bench: "insert",
    ...shape,
    distribution: "uniform",
    batch: 4096,
    ...rateColumns(inserted),
  });
  for (const distribution of DISTRIBUTIONS) {
    for (const batch of batches) {
      const found = await takeTurns(
        contenders,
        rounds,
        () => sliceDraws,
        (contender, round) => contender.lookup(sliceOf(distribution, batch, round, draws)),
      );
      print({ bench: "lookup", ...shape, distribution, batch, ...rateColumns(found) });
    }
  }
  if (!learns) return;
  for (const distribution of DISTRIBUTIONS) {
    for (const batch of batches) {
      const { lengths } = sequences.distinct[distribution].get(batch)!;
      const slice = (round: number) => sliceOf(distribution, batch, round, draws);
      const distinct = (round: number) => {
        const { start, batches } = slice(round);
        return lengths.subarray(start, start + batches).reduce((sum, length) => sum + length, 0);
      };
      const learnt = await takeTurns(
        contenders,
        rounds,
        distinct,
        (contender, round) => contender.update(slice(round)),
      );
      await assertSameSums(contenders, distribution);
      print({ bench: "update", ...shape, distribution, batch, ...rateColumns(learnt) });
    }
  }
}

/** Sums duplicates and applies Adagrad, on fresh tables; PyTorch takes part if it is installed. */
async function benchDedupe({ contenders, sequences, dim, hugePages }: Run) {
  const python = await findTorch();
  const script = new URL("./peers/torch_adagrad.py", import.meta.url).pathname;
  const torch = python === undefined
    ? undefined
    : new NativePeer("torch", python, [script, sequences.folder, String(dim)], hugePages);
  const all = torch ? [...contenders, torch] : contenders;
  for (const contender of contenders) {
    await contender.create(dim, true);
    await contender.insert(4096);
    await contender.settle();
  }
  const draws = sequences.draws.zipf.length;
  for (const batch of batches) {
    const learnt = await takeTurns(
      all,
      rounds,
      () => sliceDraws,
      (contender, round) => contender.dedupe(sliceOf("zipf", batch, round, draws)),
    );
    await assertSameSums(all, "zipf");
    const shape = {
      keys: sequences.keys.length,
      dim,
      table: "training",
      distribution: "zipf",
      batch,
      hugePages,
      processor,
    };
    print({ bench: "dedupe", ...shape, ...rateColumns(learnt, [...NATIVE_NAMES, "torch"]) });
  }
  await torch?.close();
}

for (const keyCount of keyCounts) {
  const folder = await Deno.makeTempDir({ prefix: "cairn-bench-" });
  try {
    const sequences = await writeSequences(folder, keyCount, 16 * sliceDraws, batches);
    for (const hugePages of pageSizes) {
      const contenders = await openContenders(sequences, hugePages);
      for (const dim of dims) {
        const run = { contenders, sequences, dim, hugePages };
        for (const contender of contenders) await contender.create(dim, false);
        if (fits(keyCount, dim)) await benchTables(run, false);
        for (const contender of contenders) await contender.create(dim, false);
        if (fits(keyCount, 2 * dim)) await benchTables(run, true);
        if (keyCount === keyCounts[0]) await benchDedupe(run);
      }
      for (const contender of contenders) await contender.close();
    }
    for (const dim of dims) print({ ...measureMemory(sequences.keys, dim) });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
print({ ...measureGrowth(flags.quick ? 500_000 : 10_000_000, 16, 256, flags.quick ? 2 : 3) });
