/**
 * `GET /health/live` and `/health/ready`. Live is not ready: a process that loads its tables is alive.
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
    description: "It ranks and takes events, but has stopped learning: why, and what to do.",
  }),
}).register(namedSchemas, { id: "Ready" });
