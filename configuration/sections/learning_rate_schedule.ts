/**
 * A learning rate schedule in `cairn.yaml`, for the dense weights or for a slice of the rows.
 */
import { z } from "zod";

const steps = z.int().min(1).max(1_000_000_000).describe("Length of the decay in steps.");
const final = z.number().min(0).max(1).describe("Share of the full rate at the end.");

export const learningRateSchedule = z.strictObject({
  warmupSteps: z.int().min(0).max(1_000_000_000).default(0)
    .describe("Steps in which the rate grows linearly from 0 to its full value."),
  decay: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("exponential"),
      factor: z.number().positive().max(1).default(0.5)
        .describe("Factor by which the rate falls in `steps`."),
      steps,
    }).describe("Multiplies the rate by `factor` every `steps`."),
    z.strictObject({ kind: z.literal("linear"), final, steps })
      .describe("Falls linearly over `steps`, then stays."),
    z.strictObject({ kind: z.literal("cosine"), final, steps })
      .describe("Falls along half a cosine over `steps`, then stays."),
    z.strictObject({ kind: z.literal("inverseSquareRoot"), steps })
      .describe("√(steps / (steps + t)): has no end, as online training has none."),
  ]).optional().describe("Fall of the rate after the warm-up. Default: none."),
});
