/**
 * Reads a JSON body within its limits: size, time, encoding, syntax, schema. Each limit has a problem of its own.
 */
import type { z } from "zod";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { GatewayContext } from "../endpoint.ts";
import { fieldErrors } from "./field_errors.ts";
import { parseJson } from "./json_text.ts";
import type { GatewayOptions } from "../options.ts";
import { ProblemError } from "../problems.ts";

const jsonType = /^application\/(?:[\w.+-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
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
   * @throws {ProblemError} For each way in which a body can be wrong.
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

  /** Waits for the body no longer than the request's deadline: a slow sender must not hold a place for ever. */
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
    // A declared length was checked, and the server holds the sender to it: no need to count.
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

/** Reading fails where the sender breaks off; whoever still listens is told. */
function interrupted(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  return new ProblemError(
    "malformed-request",
    "The body ended before it was complete. Send as many bytes as Content-Length says.",
    { cause: error },
  );
}

/** @throws {ProblemError} `invalid-request` with every wrong field. */
export function validate<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidRequest(result.error.issues, value);
}

export function invalidRequest(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  base: readonly PropertyKey[] = [],
): ProblemError {
  const errors = fieldErrors(issues, value, base);
  const first = errors[0];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  const where = first.pointer === "#" ? "The body" : first.pointer;
  return new ProblemError("invalid-request", `${where} ${first.detail}${more}.`, { errors });
}

function requireJson(headers: Headers): void {
  const type = headers.get("content-type");
  if (type === null || !jsonType.test(type)) {
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
