/**
 * Reads a JSON body within its limits of size, time, encoding, syntax and schema. Each limit has a
 * problem of its own.
 */
import type { z } from "zod";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { GatewayContext } from "../endpoint.ts";
import type { BodyHold } from "../middleware/body_budget.ts";
import { BodyDeadlines } from "./body_deadlines.ts";
import { type BodyText, parseBody } from "./json_body.ts";
import { validate } from "./validation.ts";
import type { GatewayOptions } from "../options.ts";
import { ProblemError } from "../problems.ts";

const jsonTypePattern = /^application\/(?:[\w.+-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
const utf8 = new TextDecoder("utf-8", { fatal: true });

export class BodyReader {
  readonly #bytesMax: number;
  readonly #deadlines: BodyDeadlines;

  constructor(clock: Clock, options: GatewayOptions) {
    this.#bytesMax = options.bodyBytesMax;
    this.#deadlines = new BodyDeadlines(clock);
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
    return parseBody(await this.readText(context));
  }

  /** The body as a text that may be JSON. */
  async readText(context: GatewayContext): Promise<BodyText> {
    const headers = context.req.raw.headers;
    requireJson(headers);
    this.#requireSize(Number(headers.get("content-length") ?? 0));
    const bytes = await this.#readBytes(context);
    try {
      return { bytes, text: utf8.decode(bytes) };
    } catch {
      throw new ProblemError("malformed-json", "Cannot read the body: it is not UTF-8.");
    }
  }

  #requireSize(bytes: number): void {
    if (bytes <= this.#bytesMax) return;
    throw new ProblemError(
      "body-too-large",
      `The body has ${bytes} bytes; at most ${this.#bytesMax} are read (gateway.bodyMax).`,
    );
  }

  /**
   * Reads the body chunk by chunk until the request's deadline. Memory is taken for bytes that have
   * arrived, never for a declared length. A body that is given up is cancelled, so that the server
   * closes its connection.
   */
  async #readBytes(context: GatewayContext): Promise<Uint8Array> {
    const { body } = context.req.raw;
    if (body === null) return new Uint8Array(0);
    const reader = body.getReader();
    const late = this.#deadlines.add(context.get("deadlineAtMs"));
    try {
      return await Promise.race([this.#collect(reader, context.get("bodyHold")), late.passed]);
    } catch (error) {
      reader.cancel().catch(() => {/* the sender has broken off */});
      throw error instanceof ProblemError ? error : interrupted(error);
    } finally {
      late.cancel();
    }
  }

  async #collect(reader: BodyStreamReader, hold: BodyHold): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return joined(chunks, bytes);
      bytes += value.byteLength;
      if (bytes > this.#bytesMax) {
        throw new ProblemError(
          "body-too-large",
          `The body has more than ${this.#bytesMax} bytes, which is the limit (gateway.bodyMax).`,
        );
      }
      hold.add(value.byteLength);
      chunks.push(value);
    }
  }
}

type BodyStreamReader = Pick<ReadableStreamDefaultReader<Uint8Array>, "read" | "cancel">;

function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  if (chunks.length === 1) return chunks[0];
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

/** The problem of a body that could not be read: the sender broke off. */
function interrupted(cause: unknown): ProblemError {
  return new ProblemError(
    "malformed-request",
    "The body ended before it was complete. Send as many bytes as Content-Length says.",
    { cause },
  );
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
