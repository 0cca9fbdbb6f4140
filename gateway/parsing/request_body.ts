/**
 * Reads a JSON body within its limits of size, time, encoding, syntax and schema. Each limit has a
 * problem of its own.
 */
import type { z } from "zod";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { GatewayContext } from "../endpoint.ts";
import type { BodyHold } from "../middleware/body_budget.ts";
import { BodyDeadlines } from "./body_deadlines.ts";
import { countKeys, repeatedKey, SCAN_DEPTH_MAX, scanJson } from "./json_scan.ts";
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
    context.get("load").requireTime();
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
      const body = this.#collect(reader, context.get("bodyHold"));
      const bytes = await Promise.race([body, late.passed]);
      // Answering gets the time that is left of the body's, which stops of the process put off.
      context.set("deadlineAtMs", this.#deadlines.atMs(late));
      return bytes;
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

/** A body as it arrived and as text. */
export interface BodyText {
  /** UTF-8. */
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Keys that an object may have to be parsed; objects of more keys take long to build. */
const KEYS_PER_OBJECT_MAX = 1024;

/**
 * The JSON value of a body, within limits that `JSON.parse` does not have: depth, keys of an
 * object, and no key twice.
 *
 * @throws {ProblemError} `malformed-json`.
 */
export function parseBody({ bytes, text }: BodyText): unknown {
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
    throw malformedJson(
      text.trim() === ""
        ? "the body is empty"
        : `${(error as Error).message}; JSON has no NaN, no comments and no comma before ] or }`,
    );
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

/** A two-byte character as JSON. */
const WIDE_STRING = '"\u0100"';

/**
 * `JSON.parse` for texts with many different short strings, such as ids.
 *
 * From a one-byte text, V8 internalizes each string of up to nine characters, which is a look-up in
 * its table of strings: for a hundred ids out of a million 70 of 80 µs, two cache misses each. It
 * does not internalize strings of a two-byte text, so a two-byte character is put before the text.
 *
 * @throws {SyntaxError} As `JSON.parse` does.
 */
export function parseJson(text: string): unknown {
  try {
    const values: unknown[] = JSON.parse(`[${WIDE_STRING},${text}]`);
    if (values.length === 2) return values[1];
  } catch { /* parsed below, so that the error's position is that of the text */ }
  return JSON.parse(text);
}
