/**
 * Draws that plans of faults share.
 */
import type { RandomStream } from "../../mesh/ports/random.ts";

export function logUniform(stream: RandomStream, low: number, high: number): number {
  return Math.exp(Math.log(low) + stream.nextFloat() * Math.log(high / low));
}

export function whole(stream: RandomStream, low: number, high: number): number {
  return Math.round(logUniform(stream, low, high));
}

export function chosen<T>(stream: RandomStream, from: readonly T[]): T {
  return from[Math.floor(stream.nextFloat() * from.length)];
}
