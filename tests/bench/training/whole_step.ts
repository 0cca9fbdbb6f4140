/**
 * Measures the whole training step in the real actors (ids → lookups → dense → gradients → tables)
 * and in PyTorch.
 *
 *     deno task bench:training [--json] [--batch 512,4096] [--model deepFm,dcnV2,…]
 *         [--threads 1,2] [--ids 4000000] [--seconds 8]
 *
 * A trainer in one worker thread and an embedding shard in another consume an example log. Timing
 * starts when the table contains every id and lies in huge pages. `--threads` lists numbers of
 * dense threads, each measured in turn: a second one pays where the first is busy all the time and
 * a core is not. PyTorch (nn.Embedding with sparse gradients, Adagrad) runs before and after, with
 * as many threads as cores, in several environments and with huge pages, as Cairn has them; its
 * best figure counts. A line names the processor.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import { encodeExamples } from "../../../records/example_chunk.ts";
import type { TrainerMessage } from "../../../actors/trainer/protocol.ts";
import { addresses } from "../../../server/addresses.ts";
import { homeNode, nodesOf } from "../../../server/layout.ts";
import { planOf } from "../../../server/plan.ts";
import type { WorkerSetup } from "../../../server/machine/worker.ts";
import { DenoClock } from "../../../mesh/adapters/deno/deno_clock.ts";
import { DenoRandom } from "../../../mesh/adapters/deno/deno_random.ts";
import { startWorkerThreads } from "../../../mesh/adapters/deno/worker_threads.ts";
import { EmbeddedEventLog } from "../../../mesh/adapters/embedded/embedded_event_log.ts";
import { createLogEnds, SharedLogEnds } from "../../../mesh/adapters/embedded/log_ends.ts";
import { PrometheusTelemetry } from "../../../mesh/adapters/prometheus/prometheus_telemetry.ts";
import type { ActorRef } from "../../../mesh/runtime/actor.ts";
import { Mesh, placementOf } from "../../../mesh/runtime/mesh.ts";
import { Node } from "../../../mesh/runtime/node.ts";
import { processorName } from "../embedding/core_time.ts";
import { findTorch, PEER_ENVIRONMENTS, runTorch } from "../torch_python.ts";
import { trainingConfiguration } from "./training_configuration.ts";
import { SettledPages } from "./settled_pages.ts";
import { idsPerSlot, SLOTS, writeFeatureId, ZipfBatches } from "./zipf_batches.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    batch: { type: "string", default: "512,4096" },
    model: { type: "string", default: "deepFm" },
    threads: { type: "string", default: "1,2" },
    ids: { type: "string", default: "4000000" },
    seconds: { type: "string", default: "8" },
    "no-pytorch": { type: "boolean", default: false },
  },
});
const ids = Number(options.ids);
const seconds = Number(options.seconds);
const batches = options.batch.split(",").map(Number);
const threadCounts = options.threads.split(",").map(Number);
/** Number of different batches; PyTorch's script cycles through as many. */
const DISTINCT_BATCHES = 12;
/** Warm-up time, in which all code is compiled and every batch is seen. */
const WARM_UP_BATCHES = 12;
const WARM_UP_ROWS = 65_536;
/**
 * Rows that the log is ahead of training: enough for the batches in flight and two pauses of the
 * writer.
 */
const AHEAD_ROWS_MIN = 12_288;
const AHEAD_BATCHES_MIN = 8;
/** By this, the peer's `malloc` asks for huge pages, into which Cairn moves its tables. */
const HUGE_PAGES = { GLIBC_TUNABLES: "glibc.malloc.hugetlb=1" };

const python = options["no-pytorch"] ? undefined : await findTorch();
for (const model of options.model.split(",")) {
  const peerRun = async () => model === "deepFm" ? await runPytorch() : [];
  const before = await peerRun();
  const ours: Measured[][] = [];
  for (const batch of batches) ours.push(await measureAll(model, batch));
  const peers = [...before, ...await peerRun()];
  for (const [i, batch] of batches.entries()) report(model, batch, ours[i], peers);
}

/** @param ours For each number of dense threads; the fastest counts. */
function report(
  model: string,
  batch: number,
  ours: readonly Measured[],
  peers: readonly PytorchResult[],
): void {
  const { examplesPerSecond, coreMicros, threads } = ours.reduce((best, next) =>
    next.examplesPerSecond > best.examplesPerSecond ? next : best
  );
  const rates = peers.filter((peer) => peer.batch === batch).map((peer) => peer.examplesPerSecond);
  const pytorch = rates.length > 0 ? Math.max(...rates) : null;
  const line = {
    bench: "training",
    model: model.toLowerCase(),
    batch,
    ids,
    examplesPerSecond,
    threads,
    coreMicros,
    byThreads: Object.fromEntries(ours.map((each) => [each.threads, each.examplesPerSecond])),
    pytorch,
    ratio: pytorch === null ? null : Number((examplesPerSecond / pytorch).toFixed(2)),
    pytorchVersion: peers[0]?.version ?? null,
    processor: processorName(),
  };
  const peerText = pytorch === null ? "" : `; PyTorch ${pytorch} (${line.ratio} x)`;
  console.log(
    options.json
      ? JSON.stringify(line)
      : `${model} batch ${batch}: ${examplesPerSecond} examples/s, ${coreMicros} core µs each, ${threads} dense threads${peerText}`,
  );
}

interface PytorchResult {
  readonly batch: number;
  readonly examplesPerSecond: number;
  readonly version: string;
}

/** Figures by batch size and environment; empty if no Python here can import torch. */
async function runPytorch(): Promise<PytorchResult[]> {
  if (python === undefined) return [];
  const script = new URL("./torch_deepfm.py", import.meta.url).pathname;
  const args = [script, batches.join(), ids, seconds / 2].map(String);
  const results: PytorchResult[] = [];
  for (const environment of PEER_ENVIRONMENTS) {
    const output = await runTorch(python, args, { ...environment, ...HUGE_PAGES });
    results.push(...output.split("\n").map((line) => JSON.parse(line)));
  }
  return results;
}

interface Measured {
  readonly examplesPerSecond: number;
  /** Core time of the whole process per example, µs. */
  readonly coreMicros: number;
  /** Dense threads. */
  readonly threads: number;
}

/** The steady state with each number of dense threads. */
async function measureAll(model: string, batchRows: number): Promise<Measured[]> {
  const all: Measured[] = [];
  for (const threads of threadCounts) all.push(await measure(model, batchRows, threads));
  return all;
}

/** The steady state. */
async function measure(model: string, batchRows: number, threads: number): Promise<Measured> {
  const configuration = trainingConfiguration(model, batchRows, threads);
  const directory = Deno.makeTempDirSync({ prefix: "cairn-bench-" });
  const ends = createLogEnds(1);
  const log = await EmbeddedEventLog.open({
    directory: `${directory}/examples`,
    partitions: 1,
    mode: "write",
    durability: "process",
    ends: new SharedLogEnds(ends),
  });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const home = new Node({
    name: homeNode,
    clock: new DenoClock(),
    random: new DenoRandom(),
    telemetry: new PrometheusTelemetry({ logLevelMin: "warn", writeLog: console.error }),
    onFailure: ({ error }) => failed.reject(error),
  });
  const mesh = new Mesh({ home, composition: { definitions: [] } });
  const plan = planOf(configuration).filter(({ kind }) =>
    kind === "embedding_shard" || kind === "trainer"
  );
  const workers = await startWorkerThreads({
    home,
    names: nodesOf(configuration).map(({ name }) => name),
    entry: new URL("../../../server/machine/worker.ts", import.meta.url),
    placement: placementOf(plan),
    setup: {
      configuration,
      storage: { path: directory, examples: { partitions: 1, ends } },
    } satisfies WorkerSetup,
    onCrashed: (_name, cause) => failed.reject(cause),
    onFailure: ({ error }) => failed.reject(error),
  });
  try {
    await mesh.start(plan);
    const shard = mesh.actorRef<EmbeddingShardMessage>(addresses.embeddingShard(0, 0));
    const [width] = configuration.servingReplica.widths;
    await fillTable(shard, width);
    const trainer = mesh.actorRef<TrainerMessage>(addresses.trainer(0));
    const { schemaFingerprint } = configuration.trainer;
    const batches = new ZipfBatches(ids, schemaFingerprint);
    const driven = drive(trainer, log, batches, batchRows);
    return { ...await Promise.race([driven, failed.promise]), threads };
  } finally {
    await mesh.stop();
    workers.close();
    await log.close();
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Creates every id's row by gradients of zero. */
async function fillTable(shard: ActorRef<EmbeddingShardMessage>, width: number): Promise<void> {
  const perSlot = idsPerSlot(ids), idsMax = 65_536;
  let sequence = 0;
  const open = { kind: "openSource", source: "fill" } as const;
  const opening = await shard.ask(open, { budgetMs: 60_000 });
  for (let slot = 0; slot < SLOTS; slot++) {
    for (let from = 0; from < perSlot; from += idsMax) {
      const count = Math.min(idsMax, perSlot - from);
      const words = new Uint32Array(2 * count);
      for (let i = 0; i < count; i++) writeFeatureId(words, i, slot, from + i);
      await shard.ask({
        kind: "applyGradients",
        source: "fill",
        opening,
        sequence: ++sequence,
        ids: new BigUint64Array(words.buffer),
        starts: Uint32Array.of(0, count),
        gradients: new Float32Array(count * width),
        counts: new Uint32Array(count).fill(1),
        atMs: 0,
      }, { budgetMs: 60_000 });
    }
  }
  const { rows } = await shard.ask({ kind: "getStatistics" }, { budgetMs: 60_000 });
  if (rows !== perSlot * SLOTS) throw new Error(`The table holds ${rows} rows of ${ids}`);
}

/**
 * Keeps the log a few chunks ahead of the trainer, as a joiner does, and reads the trainer's
 * counter at two times of the steady state.
 */
async function drive(
  trainer: ActorRef<TrainerMessage>,
  log: EmbeddedEventLog,
  batches: ZipfBatches,
  batchRows: number,
): Promise<Omit<Measured, "threads">> {
  // A chunk is a batch.
  const templates = Array.from({ length: DISTINCT_BATCHES }, () => batches.chunk(batchRows, 0));
  const aheadRows = Math.max(AHEAD_ROWS_MIN, AHEAD_BATCHES_MIN * batchRows);
  const pages = new SettledPages(performance.now());
  let rows = 0;
  let began: { examples: number; atMs: number; used: NodeJS.CpuUsage } | undefined;
  for (;;) {
    const { examples, loss, diverged } = await trainer.ask({ kind: "getStatus" }, {
      budgetMs: 60_000,
    });
    const atMs = performance.now();
    if (diverged !== undefined || !(loss < 2)) throw new Error(diverged ?? `Loss is ${loss}`);
    const warm = examples >= Math.max(WARM_UP_ROWS, WARM_UP_BATCHES * batchRows);
    if (began === undefined && warm && pages.areSettled(atMs)) {
      began = { examples, atMs, used: process.cpuUsage() };
    }
    if (began !== undefined && atMs - began.atMs >= seconds * 1000) {
      const learned = examples - began.examples;
      const { user, system } = process.cpuUsage(began.used);
      return {
        examplesPerSecond: Math.round(learned / (atMs - began.atMs) * 1000),
        coreMicros: Number(((user + system) / learned).toFixed(2)),
      };
    }
    for (; rows - examples < aheadRows; rows += batchRows) {
      const template = templates[rows / batchRows % DISTINCT_BATCHES];
      await log.append(0, [encodeExamples({ ...template, firstRow: rows })]);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
