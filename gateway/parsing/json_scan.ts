/**
 * Counts the keys of a JSON text, repeated ones included, the keys per object and the depth, in one
 * pass over its bytes. `JSON.parse` tells none of them before it has built the value.
 */

/** Levels of objects and lists that are counted; deeper texts are not scanned to their end. */
export const SCAN_DEPTH_MAX = 32;

export interface JsonScan {
  /** Colons outside of strings: in valid JSON the number of keys. */
  readonly keys: number;
  /** Most keys of one object. */
  readonly keysPerObject: number;
  /** Most brackets and braces open at once; at most one more than {@link SCAN_DEPTH_MAX}. */
  readonly depth: number;
}

const [QUOTE, COLON, BACKSLASH] = [0x22, 0x3a, 0x5c];

/** Kinds of bytes: 0 for those without a meaning of their own. */
const [IS_QUOTE, IS_COLON, IS_OPEN, IS_CLOSE] = [1, 2, 3, 4];
const kinds = new Uint8Array(256);
kinds[QUOTE] = IS_QUOTE;
kinds[COLON] = IS_COLON;
for (const open of [0x5b, 0x7b]) kinds[open] = IS_OPEN;
for (const close of [0x5d, 0x7d]) kinds[close] = IS_CLOSE;

/** Keys of the open object at each level. Used by one scan at a time. */
const keysAtLevel = new Uint32Array(SCAN_DEPTH_MAX + 2);

/** @param bytes UTF-8, in which these ASCII bytes occur as themselves only. */
export function scanJson(bytes: Uint8Array): JsonScan {
  const { length } = bytes;
  let keys = 0;
  let keysPerObject = 0;
  let open = 0;
  let depth = 0;
  keysAtLevel[0] = 0;
  for (let i = 0; i < length; i++) {
    const kind = kinds[bytes[i]];
    if (kind === 0) continue;
    if (kind === IS_QUOTE) {
      let byte = 0;
      while (++i < length && (byte = bytes[i]) !== QUOTE) if (byte === BACKSLASH) i++;
    } else if (kind === IS_COLON) {
      keys++;
      if (++keysAtLevel[open] > keysPerObject) keysPerObject = keysAtLevel[open];
    } else if (kind === IS_OPEN) {
      keysAtLevel[++open] = 0;
      if (open > depth) depth = open;
      if (depth > SCAN_DEPTH_MAX) break;
    } else if (open > 0) open--;
  }
  return { keys, keysPerObject, depth };
}

/** Keys of all objects in a parsed value. */
export function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const entry of value) {
      if (typeof entry === "object") count += countKeys(entry);
    }
    return count;
  }
  for (const key in value) {
    count++;
    const field = (value as Record<string, unknown>)[key];
    if (typeof field === "object") count += countKeys(field);
  }
  return count;
}

/** Strings, and the characters that begin and end objects and lists or separate their parts. */
const tokenPattern = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/gs;

/**
 * The first key that an object has twice.
 *
 * @param text Valid JSON.
 */
export function repeatedKey(text: string): string | undefined {
  /** The keys of each open object; undefined for an open list. */
  const open: (Set<string> | undefined)[] = [];
  let string = "";
  for (const [token] of text.matchAll(tokenPattern)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (token === ":") {
      const keys = open.at(-1);
      const key: string = JSON.parse(string);
      if (keys?.has(key)) return key;
      keys?.add(key);
    } else if (token !== ",") string = token;
  }
  return undefined;
}
