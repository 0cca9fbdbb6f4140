/**
 * Axes of the report's charts: values to pixels, and tick marks at numbers that people like.
 */

/** Maps a domain to pixels. */
export interface Scale {
  readonly ticks: readonly number[];
  toPixels(value: number): number;
}

/** A linear axis that covers [low, high], with about `count` round ticks. */
export function linearScale(
  [low, high]: readonly [number, number],
  [from, to]: readonly [number, number],
  count: number,
): Scale {
  const span = high > low ? high - low : 1;
  const step = roundStep(span / count);
  const ticks: number[] = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= low + span + step * 1e-9; k++) {
    // Away with the noise of k · step in binary.
    ticks.push(Number((k * step).toPrecision(12)));
  }
  return { ticks, toPixels: (value) => from + (value - low) / span * (to - from) };
}

/** A logarithmic axis over [low, high], both > 0, ticks at 1, 2 and 5 times powers of ten. */
export function logScale(
  [low, high]: readonly [number, number],
  [from, to]: readonly [number, number],
): Scale {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of [1, 2, 5]) {
      const tick = Number((factor * 10 ** power).toPrecision(12));
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push(tick);
    }
  }
  const span = Math.log(high / low) || 1;
  return { ticks, toPixels: (value) => from + Math.log(value / low) / span * (to - from) };
}

/** The next of 1, 2, 2.5, 5, 10 times a power of ten. */
function roundStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const steps = [1, 2, 2.5, 5].map((factor) => factor * power);
  return steps.find((step) => step >= raw * 0.999) ?? 10 * power;
}

/** A number in few characters: `0.764`, `12`, `1.5k`, `20M`. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e3) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(4)));
}
