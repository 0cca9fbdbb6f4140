/**
 * Does a compiled model train as another framework recorded it?
 */
import { chooseProvider, type Provider } from "../../kernels/dense/sessions/providers.ts";
import { replayTrace, type TraceDifference } from "./replay_trace.ts";
import { readTrace } from "./trace.ts";
import { traceModel } from "./trace_model.ts";
import { traceOptimizer } from "./trace_optimizer.ts";

export interface ModelCheckOptions {
  /** Path of the trace. */
  readonly trace: string;
  readonly model: string;
  readonly optimizer: string;
  readonly provider: Provider | "auto";
}

/** Above this a tensor is not as recorded. */
export const RELATIVE_ERROR_MAX = 1e-4;

export interface ModelCheckReport {
  readonly maxRelativeError: number;
  /** Where it is. */
  readonly worst: TraceDifference;
  /** Where the two part: the first tensor that is not as recorded; null where all are. */
  readonly first: TraceDifference | null;
  readonly steps: number;
  /** Where the steps ran. */
  readonly provider: Provider;
  /** Why "auto" did not run them on a device that it prefers. */
  readonly passedOver: readonly string[];
  readonly optimizer: Readonly<Record<string, unknown>>;
  /** What the trace did not say, or said otherwise, of its weights and its optimizer; a sentence each. */
  readonly assumptions: readonly string[];
  /** Whether the optimizer explains how the trace's own gradients moved its weights; null where it has none. */
  readonly updatesExplained: boolean | null;
}

/** Replays a trace and reports the largest relative error. */
export async function modelCheck(options: ModelCheckOptions): Promise<ModelCheckReport> {
  const recorded = await readTrace(options.trace);
  const { model, trace, assumptions } = traceModel(recorded, options.model);
  const { options: optimizer, assumptions: ofOptimizer, explained } = traceOptimizer(
    trace,
    options.optimizer,
  );
  const { provider, passedOver } = await chooseProvider(options.provider);
  const differences = await replayTrace(trace, model, optimizer, provider);
  const worst = differences.reduce((a, b) => b.relativeError > a.relativeError ? b : a);
  return {
    maxRelativeError: worst.relativeError,
    worst,
    first: differences.find(({ relativeError }) => relativeError > RELATIVE_ERROR_MAX) ?? null,
    steps: trace.steps.length,
    provider,
    passedOver,
    optimizer: { ...optimizer },
    assumptions: [...assumptions, ...ofOptimizer],
    updatesExplained: explained ?? null,
  };
}
