/**
 * Text to UTF-8 in a buffer that the caller keeps. Ids and attributes are ASCII as a rule and short: a loop is several
 * times faster then than a call out of the engine.
 */
const encoder = new TextEncoder();

/** UTF-8 takes at most this many bytes for each UTF-16 unit of a text. */
export const utf8BytesPerUnit = 3;

/** Writes `text` at `at` of `bytes`, which has room for {@link utf8BytesPerUnit} bytes a unit; returns the end. */
export function writeUtf8(text: string, bytes: Uint8Array, at: number): number {
  const length = text.length;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return at + encoder.encodeInto(text, bytes.subarray(at)).written;
    bytes[at + i] = unit;
  }
  return at + length;
}
