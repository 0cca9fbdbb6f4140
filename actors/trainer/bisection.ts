/**
 * Learns from a batch that the training step refuses, without the rows that cause the refusal.
 *
 * A refused batch is halved until single rows are refused. The other parts are learned one after
 * the other, in the batch's order. A refusal is a function of the model's state and the part, so a
 * replay makes the same parts.
 */
import { invariant } from "../../structures/invariant.ts";
import { type ExampleBatch, partOf } from "./example_batch.ts";

/**
 * Refused parts of one batch that are halved down to single rows. Further refused parts are left
 * out as a whole, so that a model that refuses everything costs few steps.
 */
export const PARTS_BISECTED_MAX = 16;

/** Rows that were left out. */
export interface RefusedPart {
  readonly part: ExampleBatch;
  /** Why the step refused them. */
  readonly error: Error;
}

/**
 * Learns the parts of a refused batch that are accepted.
 *
 * @param learn Learns one part; resolves with the error of a step that refuses it.
 * @returns The rows that were left out, in order.
 */
export async function bisect(
  batch: ExampleBatch,
  error: Error,
  learn: (part: ExampleBatch) => Promise<Error | undefined>,
): Promise<readonly RefusedPart[]> {
  const refused: RefusedPart[] = [];
  const halves = async (part: ExampleBatch, error: Error): Promise<void> => {
    const { rows } = part.features;
    if (rows === 1 || refused.length >= PARTS_BISECTED_MAX) {
      refused.push({ part, error });
      return;
    }
    const middle = rows >> 1;
    for (const half of [partOf(part, 0, middle), partOf(part, middle, rows)]) {
      const refusal = await learn(half);
      if (refusal !== undefined) await halves(half, refusal);
    }
  };
  await halves(batch, error);
  invariant(
    refused.every(({ part }, i) => i === 0 || part.sequence > refused[i - 1].part.sequence),
    "refused rows ascend",
  );
  return refused;
}
