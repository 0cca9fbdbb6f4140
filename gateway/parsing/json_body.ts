/**
 * The JSON value of a body, within limits that `JSON.parse` does not have: depth, keys of an
 * object, and no key twice.
 */
import { ProblemError } from "../problems.ts";
import { countKeys, repeatedKey, SCAN_DEPTH_MAX, scanJson } from "./json_scan.ts";
import { parseJson } from "./json_text.ts";

/** A body as it arrived and as text. */
export interface BodyText {
  /** UTF-8. */
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Keys that an object may have to be parsed; objects of more keys take long to build. */
const KEYS_PER_OBJECT_MAX = 1024;

/**
 * The value of the text.
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
