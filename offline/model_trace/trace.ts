/**
 * Training traces of other frameworks: inputs, first weights, and the results of each step, which a
 * compiled model must reproduce.
 */
import { z } from "zod";
import { TraceError } from "./trace_error.ts";

const tensor = z.object({ shape: z.array(z.int().nonnegative()), data: z.array(z.number()) })
  .refine(({ shape, data }) => sizeOf(shape) === data.length, {
    error: ({ input }) => {
      const { shape, data } = input as TraceTensor;
      return `shape [${shape}] means ${sizeOf(shape)} values, data has ${data.length}`;
    },
  });

const tensors = z.record(z.string(), tensor);

const traceFile = z.looseObject({
  name: z.string(),
  /** Examples in the batch, the same one at every step. */
  batch: z.int().positive(),
  fields: z.int().positive(),
  dim: z.int().positive(),
  /** Dense values per example. */
  dense: z.int().nonnegative(),
  inputs: tensors,
  initial: tensors,
  steps: z.array(z.looseObject({
    logit: tensor,
    loss: z.number(),
    grads: tensors.optional(),
    params_after: tensors,
  })).min(1),
}).superRefine(({ initial, steps }, context) => {
  for (const [index, { grads = initial, params_after }] of steps.entries()) {
    for (const [field, found] of Object.entries({ grads, params_after })) {
      const message = differentNames(initial, found);
      if (message !== undefined) {
        context.addIssue({ code: "custom", path: ["steps", index, field], message });
      }
    }
  }
});

export interface TraceTensor {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
export type TraceTensors = Readonly<Record<string, TraceTensor>>;
export type Trace = z.infer<typeof traceFile>;
export type TraceStep = Trace["steps"][number];

/** @throws {CommandError} When the file is no trace. */
export async function readTrace(path: string): Promise<Trace> {
  let json: unknown;
  try {
    json = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    throw new TraceError(`Cannot read the trace "${path}": ${(error as Error).message}`);
  }
  const result = traceFile.safeParse(json);
  if (!result.success) {
    throw new TraceError(
      `"${path}" is no training trace: ${whatIsWrong(json, result.error.issues)}. ` +
        "tests/golden/README.md says how one is written.",
    );
  }
  return result.data;
}

function whatIsWrong(json: unknown, issues: readonly z.core.$ZodIssue[]): string {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return "it is no object";
  const missing = Object.keys(traceFile.shape).filter((name) => !Object.hasOwn(json, name));
  if (missing.length > 0) return `it has no "${missing.join('", "')}"`;
  return issues.slice(0, 5).map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
}

/**
 * A tensor of a step that depends on the model, such as `grad_first_order`.
 *
 * @throws {CommandError} When it is missing, malformed, or has not `size` values.
 */
export function stepTensor(step: TraceStep, index: number, name: string, size: number) {
  const where = `Step ${index + 1} of the trace`;
  if (step[name] === undefined) {
    throw new TraceError(`${where} has no "${name}"; it has ${Object.keys(step).join(", ")}.`);
  }
  const result = tensor.safeParse(step[name]);
  if (!result.success) {
    throw new TraceError(`${where}: "${name}": ${result.error.issues[0].message}.`);
  }
  requireSize(result.data, size, `${where}: "${name}"`);
  return result.data;
}

/** @throws {CommandError} When the trace has no such input, or not of `size` values. */
export function inputTensor({ inputs }: Trace, name: string, size: number): TraceTensor {
  const found = inputs[name];
  if (found === undefined) {
    throw new TraceError(
      `The trace has no input "${name}", which the model reads; it has ${
        Object.keys(inputs).join(", ")
      }.`,
    );
  }
  requireSize(found, size, `The trace's input "${name}"`);
  return found;
}

/** @throws {CommandError} When the tensor has another number of values. */
export function requireSize({ shape, data }: TraceTensor, size: number, what: string): void {
  if (data.length === size) return;
  throw new TraceError(
    `${what} has shape [${shape}], ${data.length} values; batch, fields, dim and dense ask for ${size}.`,
  );
}

/**
 * The mismatch between `found` and `initial` in names or sizes, in words; undefined where there is
 * none.
 */
function differentNames(initial: TraceTensors, found: TraceTensors): string | undefined {
  const list = (names: string[]) => `"${names.join('", "')}"`;
  const missing = Object.keys(initial).filter((name) => found[name] === undefined);
  if (missing.length > 0) return `has no ${list(missing)}, which "initial" has`;
  const unknown = Object.keys(found).filter((name) => initial[name] === undefined);
  if (unknown.length > 0) return `has ${list(unknown)}, which "initial" has not`;
  const other = Object.keys(initial).find((name) =>
    initial[name].data.length !== found[name].data.length
  );
  if (other === undefined) return undefined;
  return `"${other}" has shape [${found[other].shape}] and in "initial" [${initial[other].shape}]`;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}
