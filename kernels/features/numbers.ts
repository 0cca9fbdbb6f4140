/**
 * Bucket numbers and dense values, by the formulas of {@link NumericBuckets} and
 * {@link Scaling}.
 */
import type { NumericBuckets, Scaling, TimePart } from "./schema.ts";

/** The bucket of a finite number. */
export function bucketOf(value: number, buckets: NumericBuckets): number {
  switch (buckets.kind) {
    case "log": {
      const steps = Math.floor(buckets.perDoubling * Math.log2(1 + Math.abs(value) / buckets.unit));
      return value < 0 ? -steps : steps;
    }
    case "linear":
      return Math.floor(value / buckets.width);
    default:
      return buckets satisfies never;
  }
}

/** The scaled value of a number that is finite as float32; finite as float32 too. */
export function scale(value: number, scaling: Scaling): number {
  switch (scaling.kind) {
    case "none":
      return clip(value, scaling.clip);
    case "log":
      return Math.sign(value) * Math.log1p(Math.abs(value));
    case "standard":
      return clip((value - scaling.mean) / scaling.stddev, scaling.clip);
    case "range": {
      const share = (value - scaling.low) / (scaling.high - scaling.low);
      return Math.min(1, Math.max(0, share));
    }
    default:
      return scaling satisfies never;
  }
}

function clip(value: number, limit: number): number {
  return Math.min(limit, Math.max(-limit, value));
}

const HOUR_MS = 3_600_000;

/** The part of a time given in ms since the Unix epoch; days of the week begin with Sunday = 0. */
export function timePartOf(atMs: number, part: TimePart, utcOffsetMinutes: number): number {
  const hours = Math.floor((atMs + utcOffsetMinutes * 60_000) / HOUR_MS);
  const hourOfWeek = modulo(hours + 4 * 24, 168); // the epoch was a Thursday
  switch (part) {
    case "hourOfDay":
      return hourOfWeek % 24;
    case "dayOfWeek":
      return Math.floor(hourOfWeek / 24);
    case "hourOfWeek":
      return hourOfWeek;
    default:
      return part satisfies never;
  }
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}
