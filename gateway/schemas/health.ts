/**
 * Schemas of `GET /health/live` and `/health/ready`. A process that is still loading its tables is
 * live but not ready.
 */
import { z } from "zod";
import { namedSchemas } from "./registry.ts";

export const liveSchema = z.strictObject({ status: z.literal("live") })
  .register(namedSchemas, { id: "Live" });

export const readySchema = z.strictObject({
  status: z.literal("ready"),
  modelVersion: z.int().min(0),
  learnedThroughMs: z.number().min(0),
  warning: z.string().optional().meta({
    description:
      "The server ranks and takes events but has stopped learning: the reason, and the remedy.",
  }),
}).register(namedSchemas, { id: "Ready" });
