/**
 * Measures the dense step by batch size, for DeepFM also PyTorch eager on the same device: 26 slots
 * of dim 16, 13 dense values, tower 256-128, Adagrad; pooled embeddings are copied from the host
 * and their gradients back to it.
 *
 *     deno run -A tests/bench/training/dense_step.ts --provider cpu|webgpu|cuda
 *         [--model deepFm] [--threads 1] [--batch 512,4096] [--tf32] [--json]
 *
 * Needs onnxruntime-node and protobufjs in node_modules; runs PyTorch if a Python here can import
 * it.
 */
import { parseArgs } from "node:util";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import type { ModelOptions } from "../../../kernels/dense/models/options.ts";
import type { Provider } from "../../../kernels/dense/sessions/providers.ts";
import {
  createTrainingSession,
  type TrainingBatch,
  type TrainingSession,
} from "../../../kernels/dense/training_session.ts";
import { PageLockedMemory } from "../../../mesh/adapters/cuda/page_locked_memory.ts";
import { findTorch, PEER_ENVIRONMENTS, runTorch } from "../torch_python.ts";

const SLOTS = 26, DIM = 16, DENSE_WIDTH = 13, HIDDEN = [256, 128];

const { values: options } = parseArgs({
  options: {
    provider: { type: "string", default: "cpu" },
    model: { type: "string", default: "deepFm" },
    threads: { type: "string", default: "1" },
    batch: { type: "string", default: "512,4096,16384" },
    tf32: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    "ordinary-memory": { type: "boolean", default: false },
    "no-pytorch": { type: "boolean", default: false },
  },
});
const provider = options.provider as Provider;
const batchSizes = options.batch.split(",").map(Number);

const MODELS: readonly ModelOptions[] = [
  { kind: "logisticRegression" },
  { kind: "factorizationMachine", embeddingDim: DIM },
  { kind: "wideAndDeep", embeddingDim: DIM, hidden: HIDDEN },
  { kind: "deepFm", embeddingDim: DIM, hidden: HIDDEN },
  { kind: "dcnV2", embeddingDim: DIM, crossLayers: 2, hidden: HIDDEN },
  { kind: "finalNet", embeddingDim: DIM, hidden: HIDDEN },
  { kind: "dlrm", embeddingDim: DIM, bottom: [64], top: HIDDEN },
  { kind: "mmoe", embeddingDim: DIM, experts: 4, expertHidden: [128], towerHidden: [64] },
];

const modelOptions = MODELS.find(({ kind }) => kind === options.model);
if (modelOptions === undefined) {
  console.error(
    `No model "${options.model}"; choose ${MODELS.map(({ kind }) => kind).join(", ")}.`,
  );
  Deno.exit(2);
}
const model = createModel(modelOptions, { slots: SLOTS, denseWidth: DENSE_WIDTH, tasks: 1 });

// cuBLAS reads this when it starts, here and in PyTorch: it disables TF32 on both sides.
if (!options.tf32) Deno.env.set("NVIDIA_TF32_OVERRIDE", "0");

await assertAnswers();
const pytorch = options["no-pytorch"] || options.model !== "deepFm"
  ? new Map<number, PytorchLine>()
  : await runPytorch();
for (const rows of batchSizes) {
  const session = await openSession(provider);
  const ours = await medianMs(session, randomBatch(session, rows));
  await session.close();
  report(rows, ours, pytorch.get(rows));
}

function openSession(provider: Provider): Promise<TrainingSession> {
  const pageLocked = provider === "cuda" && !options["ordinary-memory"]
    ? PageLockedMemory.open(console.error)
    : undefined;
  return createTrainingSession(model, {
    optimizer: { kind: "adagrad", learningRate: 0.01 },
    provider,
    threads: Number(options.threads),
    seed: 1,
    ...(pageLocked !== undefined && { memory: pageLocked }),
  });
}

/** Three steps must agree with the reference evaluator before anything is timed. */
async function assertAnswers(): Promise<void> {
  const [session, reference] = [await openSession(provider), await openSession("reference")];
  for (let step = 0; step < 3; step++) {
    const batch = randomBatch(session, 32);
    const found = await session.step(batch), expected = await reference.step(batch);
    const { slice } = model.sparseInputs[model.sparseInputs.length - 1];
    const gradient = found.gradients[slice], wanted = expected.gradients[slice];
    // TF32 products keep 10 bits of each factor.
    const tolerance = options.tf32 ? 1e-1 : 1e-2;
    const norm = (values: Float32Array) => Math.hypot(...values);
    // Compared by norm, because rounding may switch a unit near the kink of its ReLU.
    const apart = norm(wanted.map((value, i) => value - gradient[i])) / norm(wanted);
    const wrong = apart > tolerance || Math.abs(found.loss / expected.loss - 1) > tolerance;
    if (wrong) {
      throw new Error(
        `${provider} does not compute the step: loss ${found.loss} for ${expected.loss}, gradients off by ${apart}.`,
      );
    }
  }
  await Promise.all([session.close(), reference.close()]);
}

function randomBatch(session: TrainingSession, rows: number): TrainingBatch {
  const batch = session.allocateBatch(rows);
  for (const array of [...Object.values(batch.sparse), batch.dense]) {
    for (let i = 0; i < array.length; i++) array[i] = 0.1 * Math.random();
  }
  for (let row = 0; row < rows; row++) batch.labels[row] = Math.random() < 0.25 ? 1 : 0;
  return batch;
}

/** Median time of 20 to 400 steps within three seconds, after five warm-up steps. */
async function medianMs(session: TrainingSession, batch: TrainingBatch): Promise<number> {
  const times: number[] = [];
  const begin = performance.now();
  while (times.length < 25 || (performance.now() - begin < 3000 && times.length < 405)) {
    const start = performance.now();
    await session.step(batch);
    times.push(performance.now() - start);
  }
  const sorted = times.slice(5).sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

interface PytorchLine {
  readonly batch: number;
  readonly version: string;
  readonly device: string;
  readonly ms: number;
  readonly pinnedMs?: number;
}

/** PyTorch's best times by batch size; empty where it cannot run. */
async function runPytorch(): Promise<Map<number, PytorchLine>> {
  const device = provider === "cpu" ? "cpu" : "cuda";
  const script = new URL("torch_dense_step.py", import.meta.url).pathname;
  const shape = [SLOTS, DIM, DENSE_WIDTH, HIDDEN.join()].map(String);
  const args = [script, device, ...shape, options.threads, ...batchSizes.map(String)];
  try {
    const python = await findTorch();
    if (python === undefined) throw new Error("no Python here can import torch");
    const best = new Map<number, PytorchLine>();
    for (const environment of device === "cpu" ? PEER_ENVIRONMENTS : [{}]) {
      const output = await runTorch(python, args, {
        OMP_NUM_THREADS: options.threads,
        OPENBLAS_NUM_THREADS: options.threads,
        ...environment,
      });
      for (const line of output.split("\n").map((line) => JSON.parse(line))) {
        if (line.ms < (best.get(line.batch)?.ms ?? Infinity)) best.set(line.batch, line);
      }
    }
    return best;
  } catch (error) {
    console.error(`PyTorch is absent: ${(error as Error).message}`);
    return new Map();
  }
}

function report(rows: number, ours: number, peer: PytorchLine | undefined): void {
  const line = {
    bench: "dense_step",
    model: options.model,
    slots: SLOTS,
    dim: DIM,
    denseWidth: DENSE_WIDTH,
    hidden: HIDDEN,
    provider,
    threads: Number(options.threads),
    tf32: options.tf32,
    batch: rows,
    msPerStep: Number(ours.toFixed(3)),
    pytorchMs: peer?.ms ?? null,
    pytorchPinnedMs: peer?.pinnedMs ?? null,
    pytorchVersion: peer?.version ?? null,
    device: peer?.device ?? provider,
  };
  if (options.json) return console.log(JSON.stringify(line));
  const beside = peer === undefined
    ? "PyTorch absent"
    : `PyTorch ${peer.version} ${peer.ms.toFixed(2)} ms, pinned ${
      peer.pinnedMs?.toFixed(2) ?? "-"
    } ms`;
  console.log(
    `${options.model} on ${provider} batch=${rows}: ${
      ours.toFixed(2)
    } ms a step; ${beside} (${line.device})`,
  );
}
