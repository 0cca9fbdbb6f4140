/**
 * Writes text as UTF-8 into a buffer of the caller. Ids and attributes are short and mostly ASCII;
 * for these a loop is several times faster than a call of TextEncoder.
 */
const encoder = new TextEncoder();

/** UTF-8 takes at most this many bytes for each UTF-16 unit of a text. */
export const utf8BytesPerUnit = 3;

/**
 * Writes `text` at byte `at` of `bytes`.
 *
 * @param bytes Has room for {@link utf8BytesPerUnit} bytes per unit behind `at`.
 * @returns The byte behind the last one written.
 */
export function writeUtf8(text: string, bytes: Uint8Array, at: number): number {
  const length = text.length;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return at + encoder.encodeInto(text, bytes.subarray(at)).written;
    bytes[at + i] = unit;
  }
  return at + length;
}
