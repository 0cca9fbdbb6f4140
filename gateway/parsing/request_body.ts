/**
 * Reads a JSON body within its limits of size, time, encoding, syntax and schema. Each limit has a
 * problem of its own.
 */
import type { z } from "zod";
import type { Clock } from "../../mesh/ports/clock.ts";
import { present } from "../../structures/invariant.ts";
import type { GatewayContext } from "../endpoint.ts";
import { type FieldErrorBudget, FieldErrors } from "./field_errors.ts";
import { countKeys, repeatedKey, SCAN_DEPTH_MAX, scanJson } from "./json_scan.ts";
import { parseJson } from "./json_text.ts";
import type { GatewayOptions } from "../options.ts";
import { ProblemError } from "../problems.ts";

const jsonTypePattern = /^application\/(?:[\w.+-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
/** Keys that an object may have to be parsed; objects of more keys take long to build. */
const KEYS_PER_OBJECT_MAX = 1024;

/** Fields of an object that are validated; an object of a request has at most eight. */
const FIELDS_MAX = 64;

const utf8 = new TextDecoder("utf-8", { fatal: true });

export class BodyReader {
  readonly #clock: Clock;
  readonly #bytesMax: number;

  constructor(clock: Clock, options: GatewayOptions) {
    this.#clock = clock;
    this.#bytesMax = options.bodyBytesMax;
  }

  /**
   * The body as a value of `schema`.
   *
   * @throws {ProblemError} One kind for each limit.
   */
  async read<S extends z.ZodType>(context: GatewayContext, schema: S): Promise<z.output<S>> {
    return validate(schema, await this.readJson(context));
  }

  /** The body as any JSON value. */
  async readJson(context: GatewayContext): Promise<unknown> {
    const headers = context.req.raw.headers;
    requireJson(headers);
    this.#requireSize(Number(headers.get("content-length") ?? 0));
    const bytes = await this.#readInTime(context);
    let text: string;
    try {
      text = utf8.decode(bytes);
    } catch {
      throw new ProblemError("malformed-json", "Cannot read the body: it is not UTF-8.");
    }
    return parsedText(text, bytes);
  }

  #requireSize(bytes: number): void {
    if (bytes <= this.#bytesMax) return;
    throw new ProblemError(
      "body-too-large",
      `The body has ${bytes} bytes; at most ${this.#bytesMax} are read (gateway.bodyMax).`,
    );
  }

  /** Waits for the body no longer than the request's deadline, so that slow senders are bounded. */
  #readInTime(context: GatewayContext): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const leftMs = Math.max(0, context.get("deadlineAtMs") - this.#clock.monotonicMs());
      const timer = this.#clock.schedule(leftMs, () => {
        reject(
          new ProblemError(
            "body-timeout",
            `The body was not complete ${Math.round(leftMs)} ms after the request began.`,
          ),
        );
      });
      this.#readBytes(context.req.raw).then(resolve, (error) => reject(interrupted(error)))
        .finally(() => timer.cancel());
    });
  }

  async #readBytes(request: Request): Promise<Uint8Array> {
    // The declared length was checked, and the HTTP layer enforces it.
    if (request.headers.has("content-length")) return new Uint8Array(await request.arrayBuffer());
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > this.#bytesMax) {
        throw new ProblemError(
          "body-too-large",
          `The body has more than ${this.#bytesMax} bytes, which is the limit (gateway.bodyMax).`,
        );
      }
      chunks.push(chunk);
    }
    const whole = new Uint8Array(bytes);
    let offset = 0;
    for (const chunk of chunks) {
      whole.set(chunk, offset);
      offset += chunk.byteLength;
    }
    return whole;
  }
}

/** The problem of a body that could not be read: the sender broke off. */
function interrupted(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  return new ProblemError(
    "malformed-request",
    "The body ended before it was complete. Send as many bytes as Content-Length says.",
    { cause: error },
  );
}

/**
 * The value as the schema's output.
 *
 * @throws {ProblemError} `invalid-request` with every wrong field.
 */
export function validate<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  requireFewFields(value);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidRequest(result.error.issues, value);
}

/** The problem of schema issues. */
export function invalidRequest(issues: readonly z.core.$ZodIssue[], value: unknown): ProblemError {
  const errors = new FieldErrors();
  errors.addIssues(issues, value);
  return fieldProblem(errors);
}

/**
 * The value of one entry of a list as the schema's output.
 *
 * @param base Path of the entry in the body.
 * @throws {ProblemError} `invalid-request` with the wrong fields that the budget allows to list.
 */
export function validateEntry<S extends z.ZodType>(
  schema: S,
  value: unknown,
  base: readonly PropertyKey[],
  budget: FieldErrorBudget,
): z.output<S> {
  requireFewFields(value, base);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  throw fieldProblem(budget.forEntry((errors) => errors.addIssues(issues, value, base)), base);
}

/**
 * Refuses an object of many fields before the schema lists each unknown one.
 *
 * @throws {ProblemError} `invalid-request`.
 */
export function requireFewFields(value: unknown, base: readonly PropertyKey[] = []): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return;
  const count = Object.keys(value).length;
  if (count <= FIELDS_MAX) return;
  const errors = new FieldErrors();
  errors.add(base, `is an object of ${count} fields; send only the fields of /openapi.json`);
  throw fieldProblem(errors, base);
}

/**
 * The problem of collected field errors; there is at least one.
 *
 * @param base Path of the value in the body.
 */
export function fieldProblem(errors: FieldErrors, base: readonly PropertyKey[] = []): ProblemError {
  const list = errors.list(base);
  const first = present(list.at(0), "a failed validation has an issue");
  const more = list.length > 1 ? ` (and ${list.length - 1} more)` : "";
  const where = first.pointer === "#" ? "The body" : first.pointer;
  return new ProblemError("invalid-request", `${where} ${first.detail}${more}.`, { errors: list });
}

/** @throws {ProblemError} `malformed-json`. */
function parsedText(text: string, bytes: Uint8Array): unknown {
  const { keys, keysPerObject, depth } = scanJson(bytes);
  if (depth > SCAN_DEPTH_MAX) {
    throw malformedJson(`objects and lists nest more than ${SCAN_DEPTH_MAX} deep`);
  }
  if (keysPerObject > KEYS_PER_OBJECT_MAX) {
    throw malformedJson(`an object has more than ${KEYS_PER_OBJECT_MAX} keys`);
  }
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw malformedJson(text.trim() === "" ? "the body is empty" : (error as Error).message);
  }
  if (countKeys(value) !== keys) {
    const key = JSON.stringify(repeatedKey(text) ?? "");
    throw malformedJson(`an object has the key ${key} twice`);
  }
  return value;
}

function malformedJson(reason: string): ProblemError {
  return new ProblemError("malformed-json", `Cannot read the body as JSON: ${reason}.`);
}

function requireJson(headers: Headers): void {
  const type = headers.get("content-type");
  if (type === null || !jsonTypePattern.test(type)) {
    throw new ProblemError(
      "unsupported-media-type",
      `The Content-Type is ${type ?? "missing"}; send application/json (with curl: --json).`,
    );
  }
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") {
    throw new ProblemError(
      "unsupported-media-type",
      `The Content-Encoding is ${encoding}; send the body uncompressed.`,
    );
  }
}
