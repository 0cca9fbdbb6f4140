/**
 * The arrays of one answer in one buffer. A message to another thread then transfers one buffer
 * instead of three, and the garbage collector, whose pauses grow with the number of buffers, sees
 * one.
 *
 *     f32  predictions, [rows, tasks]
 *     f32  scores, [rows]; absent if the score is the prediction of the only task
 *     u8   cold, [rows]
 */
import type { Scores } from "./protocol.ts";

export type ScoreArrays = Pick<Scores, "scores" | "predictions" | "cold"> & {
  /** Holds all three arrays. */
  readonly buffer: ArrayBuffer;
};

/** @param scoreIsPrediction Whether `scores` is the same array as `predictions` (one task). */
export function allocateScores(
  rows: number,
  tasks: number,
  scoreIsPrediction: boolean,
): ScoreArrays {
  const predictionCount = rows * tasks;
  const floats = scoreIsPrediction ? predictionCount : predictionCount + rows;
  const buffer = new ArrayBuffer(4 * floats + rows);
  const predictions = new Float32Array(buffer, 0, predictionCount);
  return {
    buffer,
    predictions,
    scores: scoreIsPrediction ? predictions : new Float32Array(buffer, 4 * predictionCount, rows),
    cold: new Uint8Array(buffer, 4 * floats, rows),
  };
}
