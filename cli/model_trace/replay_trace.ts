/**
 * Runs a trace's steps through a training session and measures how far the two part.
 */
import type { Model } from "../../kernels/dense/models/model.ts";
import type { DenseOptimizerOptions } from "../../kernels/dense/optimizers/options.ts";
import type { Provider } from "../../kernels/dense/sessions/providers.ts";
import { createTrainingSession } from "../../kernels/dense/training_session.ts";
import { usageError } from "../errors.ts";
import { floats, stepTensor, type Trace, type TraceTensor } from "./trace.ts";

/** How far one tensor is from the trace's: the largest difference over the tensor's largest magnitude. */
export interface TraceDifference {
  readonly step: number;
  readonly tensor: string;
  readonly relativeError: number;
}

/** Differences of every loss, logit, embedding gradient and weight, step by step. */
export async function replayTrace(
  trace: Trace,
  model: Model,
  optimizer: DenseOptimizerOptions,
  provider: Provider,
): Promise<TraceDifference[]> {
  const session = await createTrainingSession(model, { optimizer, provider, threads: 1, seed: 0 });
  try {
    const { parameters: expected } = await session.weights();
    const parameters = Object.fromEntries(
      Object.entries(trace.initial).map(([name, tensor]) => {
        const shape = expected[name]?.shape ?? tensor.shape;
        return [name, { shape, data: floats(tensor) }] as const;
      }),
    );
    await session.load({ version: 0, parameters });
    const batch = traceBatch(trace, model);

    const differences: TraceDifference[] = [];
    for (const [index, recorded] of trace.steps.entries()) {
      const step = index + 1;
      const compare = (tensor: string, found: ArrayLike<number>, wanted: readonly number[]) =>
        differences.push({ step, tensor, relativeError: relativeError(found, wanted) });
      const { loss, logits, gradients } = await session.step(batch);
      compare("loss", [loss], [recorded.loss]);
      compare("logit", logits, recorded.logit.data);
      for (const { segment } of model.sparseInputs) {
        const gradient = stepTensor(recorded, `grad_${segment}`);
        if (gradient !== undefined) compare(`grad_${segment}`, gradients[segment], gradient.data);
      }
      const weights = await session.weights();
      for (const [name, { data }] of Object.entries(recorded.params_after)) {
        compare(name, weights.parameters[name].data, data);
      }
    }
    return differences;
  } finally {
    await session.close();
  }
}

function traceBatch(trace: Trace, model: Model) {
  const input = (name: string): TraceTensor => {
    const tensor = trace.inputs[name];
    if (tensor !== undefined) return tensor;
    throw usageError(
      `The trace "${trace.name}" has no input "${name}", which ${model.options.kind} reads; it has ${
        Object.keys(trace.inputs).join(", ")
      }.`,
    );
  };
  return {
    rows: trace.batch,
    sparse: Object.fromEntries(
      model.sparseInputs.map(({ segment }) => [segment, floats(input(segment))] as const),
    ),
    dense: trace.dense > 0 ? floats(input("dense")) : new Float32Array(0),
    labels: floats(input("labels")),
    logSampleRate: new Float32Array(trace.batch),
  };
}

function relativeError(found: ArrayLike<number>, wanted: readonly number[]): number {
  if (found.length !== wanted.length) return Infinity;
  const largest = wanted.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const difference = wanted.reduce((max, value, i) => {
    const apart = Math.abs(found[i] - value);
    return Number.isNaN(apart) ? Infinity : Math.max(max, apart);
  }, 0);
  return difference === 0 ? 0 : difference / Math.max(largest, Number.MIN_VALUE);
}
