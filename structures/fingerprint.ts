/**
 * What stands for a string where many are remembered: 64 bits of hash, some 60 of them independent. Any two of 200,000
 * strings have the same with a probability of 10^-8. Whoever makes them on purpose can: nothing that must be safe may
 * rest on it.
 */

/** Two words of 32 bits. */
export interface Fingerprint {
  readonly low: number;
  readonly high: number;
}

/** The fingerprint of a string's UTF-16 units: two multiplicative hashes and a final mix (cyrb53, bryc, 2018, both words whole). */
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
