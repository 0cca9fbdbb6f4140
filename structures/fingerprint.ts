/**
 * A 64-bit hash of a string, as two unsigned words of 32 bits. Stands for the string where many are
 * remembered.
 */
export interface Fingerprint {
  readonly low: number;
  readonly high: number;
}

/**
 * The fingerprint of a string's UTF-16 units: two multiplicative hashes and a final mix (cyrb53,
 * both words whole).
 *
 * About 60 of the 64 bits are independent: among 200,000 strings, two share a fingerprint with a
 * probability of 10^-8. The function has no secret, so collisions can be made on purpose; nothing
 * that must be safe may rest on it. It never changes, because the partitions of stored logs are
 * chosen by it.
 *
 * @see https://github.com/bryc/code/blob/master/jshash/experimental/cyrb53.js (bryc, 2018)
 */
export function fingerprintOf(text: string): Fingerprint {
  let low = 0xdeadbeef;
  let high = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x9e3779b1);
    high = Math.imul(high ^ unit, 0x5f356495);
  }
  const lowMixed = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^
    Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  const highMixed = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^
    Math.imul(lowMixed ^ (lowMixed >>> 13), 0xc2b2ae35);
  return { low: lowMixed >>> 0, high: highMixed >>> 0 };
}
