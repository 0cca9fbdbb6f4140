/**
 * Reads the candidates of a rank request from its bytes, where all of them are an id and nothing
 * else, as in most requests.
 *
 * For a hundred candidates `JSON.parse` and the checks before and after it take 31 µs, this reader
 * and the checks of the other fields 8. It accepts only texts of that one form; all others are read
 * by `parseBody`, which also finds the errors.
 */
import { ID_CHARACTERS_MAX } from "../../records/client_ids.ts";
import { CANDIDATES_MAX } from "../options.ts";
import type { BodyText } from "./request_body.ts";

/** A rank request in two parts. */
export interface SplitRequest {
  /** At least one and at most {@link CANDIDATES_MAX}, with ids of valid form. */
  readonly candidates: { readonly id: string }[];
  /** The request as JSON, with an empty list in place of the candidates. */
  readonly others: string;
}

const [QUOTE, COMMA, COLON, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN, CLOSE, LOWER_I, LOWER_D] = [
  ...'",:\\[]{}id',
].map((character) => character.charCodeAt(0));
const [SPACE, DELETE] = [0x20, 0x7f];

/** The request in two parts; undefined where the text has another form, or is not JSON. */
export function splitCandidates({ bytes, text }: BodyText): SplitRequest | undefined {
  // With ASCII alone, the indices of bytes are those of characters.
  if (text.length !== bytes.length) return undefined;
  const from = listOfCandidates(bytes);
  if (from < 0) return undefined;
  const candidates: { id: string }[] = [];
  let at = from;
  do {
    at = afterSpace(bytes, at + 1);
    if (bytes[at] !== OPEN) return undefined;
    at = afterSpace(bytes, at + 1);
    const isId = bytes[at] === QUOTE && bytes[at + 1] === LOWER_I && bytes[at + 2] === LOWER_D &&
      bytes[at + 3] === QUOTE;
    if (!isId) return undefined;
    at = afterSpace(bytes, at + 4);
    if (bytes[at] !== COLON) return undefined;
    at = afterSpace(bytes, at + 1);
    if (bytes[at] !== QUOTE) return undefined;
    const end = endOfId(bytes, at + 1);
    if (end < 0) return undefined;
    candidates.push({ id: text.substring(at + 1, end) });
    at = afterSpace(bytes, end + 1);
    if (bytes[at] !== CLOSE) return undefined;
    at = afterSpace(bytes, at + 1);
  } while (bytes[at] === COMMA && candidates.length < CANDIDATES_MAX);
  if (bytes[at] !== CLOSE_LIST) return undefined;
  return { candidates, others: `${text.slice(0, from)}[${text.slice(at)}` };
}

/** Index of the bracket that begins the list of candidates; -1 where there is no such list. */
function listOfCandidates(bytes: Uint8Array): number {
  let at = afterSpace(bytes, 0);
  if (bytes[at] !== OPEN) return -1;
  do {
    at = afterSpace(bytes, at + 1);
    if (bytes[at] !== QUOTE) return -1;
    const isCandidates = beginsCandidates(bytes, at);
    at = afterSpace(bytes, afterString(bytes, at));
    if (bytes[at] !== COLON) return -1;
    at = afterSpace(bytes, at + 1);
    if (isCandidates) return bytes[at] === OPEN_LIST ? at : -1;
    at = afterValue(bytes, at);
  } while (bytes[at] === COMMA);
  return -1;
}

const key = new TextEncoder().encode('"candidates"');

function beginsCandidates(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < key.length; i++) if (bytes[at + i] !== key[i]) return false;
  return true;
}

/** Index of the quote that ends an id of printable ASCII; -1 for any other id. */
function endOfId(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) break;
    if (!(byte >= SPACE && byte < DELETE) || byte === BACKSLASH) return -1;
  }
  const length = at - from;
  return length >= 1 && length <= ID_CHARACTERS_MAX ? at : -1;
}

/** Index of the comma or the closing bracket behind a value; the length if there is none. */
function afterValue(bytes: Uint8Array, from: number): number {
  let open = 0;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) at = afterString(bytes, at) - 1;
    else if (byte === OPEN || byte === OPEN_LIST) open++;
    else if (byte === COMMA && open === 0) return at;
    else if ((byte === CLOSE || byte === CLOSE_LIST) && open-- === 0) return at;
  }
  return bytes.length;
}

/** Index behind the string that begins at the quote `from`. */
function afterString(bytes: Uint8Array, from: number): number {
  let at = from + 1;
  for (; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
  return at + 1;
}

function afterSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;; at++) {
    const byte = bytes[at];
    if (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
  }
}
