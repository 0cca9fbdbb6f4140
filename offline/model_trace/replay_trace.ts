/**
 * Runs a trace's steps through a training session and measures the differences.
 */
import type { Model } from "../../kernels/dense/models/model.ts";
import { pooledWidth } from "../../kernels/dense/models/sparse_inputs.ts";
import type { DenseOptimizerOptions } from "../../kernels/dense/optimizers/options.ts";
import type { Provider } from "../../kernels/dense/sessions/providers.ts";
import { compileTraining } from "../../kernels/dense/training_graph.ts";
import { createTrainingSession, type TrainingBatch } from "../../kernels/dense/training_session.ts";
import { type DenseWeights, unpackWeights } from "../../kernels/dense/weights.ts";
import type { WeightLayout } from "../../kernels/dense/weight_layout.ts";
import { TraceError } from "./trace_error.ts";
import { RecordedUpdates } from "./recorded_updates.ts";
import { inputTensor, requireSize, stepTensor, type Trace, type TraceStep } from "./trace.ts";

/**
 * The error of one tensor: its largest difference from the trace, over the tensor's largest
 * magnitude.
 */
export interface TraceDifference {
  readonly step: number;
  readonly tensor: string;
  readonly relativeError: number;
}

/**
 * Differences of every loss, logit, gradient and weight, step by step, causes before effects.
 *
 * @throws {CommandError} When the trace's tensors are not the model's.
 */
export async function replayTrace(
  trace: Trace,
  model: Model,
  optimizer: DenseOptimizerOptions,
  provider: Provider,
): Promise<TraceDifference[]> {
  const { layout } = compileTraining(model, optimizer);
  const weights = firstWeights(trace, model, layout);
  const batch = traceBatch(trace, model);
  const recorded = trace.steps.map((step, index) => recordedStep(trace, step, index, model));

  const settings = {
    provider,
    threads: 1,
    seed: 0,
    // A trace may explode; the replay must then explode in the same way.
    divergence: { explosionFactor: Infinity },
  };
  const session = await createTrainingSession(model, { ...settings, optimizer });
  const probe = await createTrainingSession(model, {
    ...settings,
    optimizer: probeOptimizer(trace, optimizer),
  });
  try {
    await session.load(weights);
    const differences: TraceDifference[] = [];
    for (const [index, wanted] of recorded.entries()) {
      const compare = (tensor: string, found: ArrayLike<number>, data: readonly number[]) =>
        differences.push({ step: index + 1, tensor, relativeError: relativeError(found, data) });
      const before = await session.weights();
      const { loss, logits, gradients } = await session.step(batch);
      compare("logit", logits, wanted.logit.data);
      compare("loss", [loss], [wanted.loss]);
      for (const [slice, { data }] of wanted.embedded) {
        compare(`grad_${slice}`, gradients[slice], data);
      }
      if (wanted.grads !== undefined) {
        await probe.load(before);
        await probe.step(batch);
        const { vectors } = await probe.checkpoint();
        const { parameters } = unpackWeights(vectors.velocity, layout, 0);
        for (const [name, { data }] of Object.entries(wanted.grads)) {
          compare(`grads.${name}`, parameters[name].data, data);
        }
      }
      const { parameters } = await session.weights();
      for (const [name, { data }] of Object.entries(wanted.after)) {
        compare(name, parameters[name].data, data);
      }
    }
    return differences;
  } finally {
    await probe.close();
    await session.close();
  }
}

/**
 * No step returns the gradients of the dense weights, but descent with a momentum of 0 keeps the
 * last ones, to the bit, as its state. They are clipped where the trace's are: none of them is
 * longer than the clip norm.
 */
function probeOptimizer(
  trace: Trace,
  { gradientClipNorm = Infinity }: DenseOptimizerOptions,
): DenseOptimizerOptions {
  const longest = RecordedUpdates.of(trace)?.largestNorm ?? Infinity;
  const clipped = longest <= gradientClipNorm * (1 + 1e-5) && gradientClipNorm !== Infinity;
  return {
    kind: "momentum",
    momentum: 0,
    learningRate: 1,
    ...(clipped && { gradientClipNorm }),
  };
}

function firstWeights(trace: Trace, model: Model, { ranges }: WeightLayout): DenseWeights {
  const { kind } = model.options;
  const given = Object.keys(trace.initial);
  const unknown = given.filter((name) => ranges.every((range) => range.name !== name));
  const missing = ranges.map(({ name }) => name).filter((name) => !given.includes(name));
  if (unknown.length + missing.length > 0) {
    const list = (names: string[]) => `"${names.join('", "')}"`;
    throw new TraceError(
      `The trace's weights are not those of ${kind}: ` + [
        missing.length > 0 ? `it lacks ${list(missing)}` : "",
        unknown.length > 0 ? `${kind} has no ${list(unknown)}` : "",
      ].filter((part) => part !== "").join(", ") + ".",
    );
  }
  const parameters = ranges.map(({ name, shape }) => {
    const tensor = trace.initial[name];
    // A bias may be recorded as a row or a column.
    const plain = (dims: readonly number[]) => dims.filter((dim) => dim !== 1).join(", ");
    if (plain(tensor.shape) !== plain(shape)) {
      throw new TraceError(
        `The trace's weight "${name}" has shape [${tensor.shape}] and ${kind} needs [${shape}]; weights are [in, out].`,
      );
    }
    return [name, { shape, data: Float32Array.from(tensor.data) }] as const;
  });
  return { version: 0, parameters: Object.fromEntries(parameters) };
}

function recordedStep(trace: Trace, step: TraceStep, index: number, model: Model) {
  const rows = trace.batch;
  requireSize(step.logit, rows * model.sizes.tasks, `Step ${index + 1} of the trace: "logit"`);
  const embedded = model.sparseInputs.map((input) =>
    [
      input.slice,
      stepTensor(step, index, `grad_${input.slice}`, rows * pooledWidth(input)),
    ] as const
  );
  return { ...step, embedded, after: step.params_after };
}

function traceBatch(trace: Trace, model: Model): TrainingBatch {
  const { batch: rows, dense } = trace;
  const input = (name: string, width: number) =>
    Float32Array.from(inputTensor(trace, name, rows * width).data);
  return {
    rows,
    sparse: Object.fromEntries(
      model.sparseInputs.map((sparse) =>
        [sparse.slice, input(sparse.slice, pooledWidth(sparse))] as const
      ),
    ),
    dense: dense > 0 ? input("dense", dense) : new Float32Array(0),
    labels: input("labels", model.sizes.tasks),
    logSampleRate: new Float32Array(rows),
  };
}

/** Smallest magnitude that differences are divided by: float32's noise relative to 1. */
const MAGNITUDE_MIN = 1e-7;

function relativeError(found: ArrayLike<number>, wanted: readonly number[]): number {
  const largest = wanted.reduce((max, value) => Math.max(max, Math.abs(value)), MAGNITUDE_MIN);
  // JSON has no Infinity.
  return wanted.reduce((max, value, i) => {
    const apart = Math.abs(found[i] - value) / largest;
    return Number.isFinite(apart) ? Math.max(max, apart) : Number.MAX_VALUE;
  }, 0);
}
