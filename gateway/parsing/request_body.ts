/**
 * Reads a JSON body within its limits of size, time, encoding, syntax and schema. Each limit has a
 * problem of its own.
 */
import type { z } from "zod";
import type { Clock } from "../../mesh/ports/clock.ts";
import { present } from "../../structures/invariant.ts";
import type { GatewayContext } from "../endpoint.ts";
import { fieldErrors } from "./field_errors.ts";
import { parseJson } from "./json_text.ts";
import type { GatewayOptions } from "../options.ts";
import { ProblemError } from "../problems.ts";

const jsonTypePattern = /^application\/(?:[\w.+-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
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
    try {
      return parseJson(text);
    } catch (error) {
      const hint = text.trim() === "" ? "the body is empty" : (error as Error).message;
      throw new ProblemError("malformed-json", `Cannot read the body as JSON: ${hint}.`);
    }
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
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidRequest(result.error.issues, value);
}

/**
 * The problem of schema issues.
 *
 * @param base Path of `value` in the body.
 */
export function invalidRequest(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  base: readonly PropertyKey[] = [],
): ProblemError {
  const errors = fieldErrors(issues, value, base);
  const first = present(errors.at(0), "a failed validation has an issue");
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  const where = first.pointer === "#" ? "The body" : first.pointer;
  return new ProblemError("invalid-request", `${where} ${first.detail}${more}.`, { errors });
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
