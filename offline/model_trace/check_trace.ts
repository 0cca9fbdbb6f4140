/**
 * Checks whether a compiled model trains as another framework recorded.
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

/** Largest relative error at which a tensor counts as equal to the recorded one. */
export const RELATIVE_ERROR_MAX = 1e-4;

export interface ModelCheckReport {
  readonly maxRelativeError: number;
  /** The tensor and step with the largest error. */
  readonly worst: TraceDifference;
  /** The first tensor above {@link RELATIVE_ERROR_MAX}; null where there is none. */
  readonly first: TraceDifference | null;
  readonly steps: number;
  /** The provider that ran the steps. */
  readonly provider: Provider;
  /** Why `auto` did not choose the devices that it prefers. */
  readonly passedOver: readonly string[];
  readonly optimizer: Readonly<Record<string, unknown>>;
  /**
   * Assumptions about weights and optimizer that the trace does not state or contradicts; a
   * sentence each.
   */
  readonly assumptions: readonly string[];
  /**
   * Whether the optimizer explains how the trace's own gradients moved its weights; null where it
   * has none.
   */
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
