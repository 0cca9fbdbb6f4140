/**
 * Training traces of other frameworks: inputs, first weights, and what each step gave. A compiled model must give the same.
 */
import { z } from "zod";
import { usageError } from "../errors.ts";

const tensor = z.object({ shape: z.array(z.int().nonnegative()), data: z.array(z.number()) });

const traceFile = z.looseObject({
  name: z.string(),
  /** Examples in the batch, the same one at every step. */
  batch: z.int().positive(),
  fields: z.int().positive(),
  dim: z.int().positive(),
  /** Dense values per example. */
  dense: z.int().nonnegative(),
  inputs: z.record(z.string(), tensor),
  initial: z.record(z.string(), tensor),
  steps: z.array(z.looseObject({
    logit: tensor,
    loss: z.number(),
    grads: z.record(z.string(), tensor).optional(),
    params_after: z.record(z.string(), tensor),
  })).min(1),
});

export type TraceTensor = z.infer<typeof tensor>;
export type Trace = z.infer<typeof traceFile>;
export type TraceStep = Trace["steps"][number];

/** @throws {CommandError} When the file is no trace. */
export async function readTrace(path: string): Promise<Trace> {
  let json: unknown;
  try {
    json = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    throw usageError(`Cannot read the trace "${path}": ${(error as Error).message}`);
  }
  const result = traceFile.safeParse(json);
  if (!result.success) {
    const issues = result.error.issues.slice(0, 5).map(({ path, message }) =>
      `${path.join(".")}: ${message}`
    );
    throw usageError(`"${path}" is no training trace: ${issues.join("; ")}.`);
  }
  return result.data;
}

/** A tensor of a step that only some traces have, such as `grad_first_order`. */
export function stepTensor(step: TraceStep, name: string): TraceTensor | undefined {
  return tensor.safeParse(step[name]).data;
}

export function floats({ data }: TraceTensor): Float32Array<ArrayBuffer> {
  return Float32Array.from(data);
}
