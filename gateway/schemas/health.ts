/**
 * Schemas of `GET /health/live` and `/health/ready`. A process that is still loading its tables is
 * live but not ready.
 */
import { z } from "zod";
import { namedSchemas } from "./registry.ts";

export const liveSchema = z.strictObject({ status: z.literal("live") })
  .register(namedSchemas, { id: "Live" });

const warningSchema = z.strictObject({
  kind: z.enum([
    "events-refused",
    "lease-ended",
    "attributes-lost",
    "rankings-unlogged",
    "part-failing",
    "part-not-placed",
    "snapshots-fail",
    "host-away",
    "host-unlisted",
    "training-stopped",
    "rows-put-aside",
    "events-lost",
    "examples-held",
    "examples-dropped",
    "actions-missed",
    "replicas-away",
    "rows-not-served",
    "rows-loading",
    "rankings-unread",
  ]).meta({ description: "Stable kind of the warning." }),
  detail: z.string().meta({ description: "The reason, and the remedy if there is one." }),
  count: z.int().min(0).optional().meta({
    description: "Number of the things given up since the part started.",
  }),
  share: z.number().min(0).max(1).optional().meta({
    description: "Share of the rows that are loaded.",
  }),
}).register(namedSchemas, { id: "Warning" });

export type Warning = z.infer<typeof warningSchema>;

export const readySchema = z.strictObject({
  status: z.literal("ready"),
  modelVersion: z.int().min(0),
  learnedThroughMs: z.number().min(0),
  warnings: z.array(warningSchema).meta({
    description: "Things that are given up while the server ranks; mostly empty. " +
      "Losses are listed until ten minutes after the last one.",
  }),
}).register(namedSchemas, { id: "Ready" });

export type ReadyAnswer = z.infer<typeof readySchema>;
