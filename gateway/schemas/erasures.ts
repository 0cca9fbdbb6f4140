/**
 * Schemas of `DELETE /v1/users/{id}?forget=true` and of its receipt, `/v1/erasures/{id}`.
 */
import { z } from "zod";
import { fields, namedSchemas } from "./registry.ts";

const sendBoolean = "send true or false, or leave it out";

export const deleteUserQuerySchema = fields({
  forget: z.enum(["true", "false"], sendBoolean).optional().meta({
    description: "true = erase the user: also kept features, open rankings and learned rows.",
  }),
}, "a query");

/** Items have nothing to forget: their attributes are all that is stored by their id alone. */
export const noQuerySchema = fields({
  forget: z.literal("false", "send false, or leave it out: only users can be erased").optional(),
}, "a query");

export const erasurePathSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f-]{36}$/, "send the erasureId of a receipt").meta({
    description: "The erasureId of a receipt.",
    examples: ["0b6f3a3e-6a0e-4a53-9f0e-0d7f1c1b2a3d"],
  }),
});

const partStatusSchema = z.enum(["erased", "waiting"]);

const crossSchema = z.strictObject({
  slot: z.string(),
  combinations: z.int().min(0).meta({
    description: "Combinations of the user with the rows of the other parts, whose rows went.",
  }),
  rowsRemoved: z.int().min(0),
  outcome: z.enum(["complete", "rows-may-stay", "too-many"]).meta({
    description: "complete: every row is removed. rows-may-stay: a row may stay whose other part " +
      "has no row any more; it is numbers under a hash, and expires by embeddings.expiry. " +
      "too-many: more than 16,777,216 combinations, none was removed.",
  }),
});

const trainerSchema = z.strictObject({
  trainer: z.string(),
  status: partStatusSchema,
  rowsRemoved: z.int().min(0).optional().meta({
    description: "Rows of the user's id in all shards; absent where a replay after a restart " +
      "found them removed.",
  }),
  crosses: z.array(crossSchema),
  quarantined: z.int().min(0).meta({ description: "Deleted rows of the quarantine." }),
});

const holdSchema = z.strictObject({
  kind: z.enum(["eventLog", "exampleLog", "snapshot"]),
  partition: z.int().min(0).optional(),
  name: z.string().optional(),
  untilMs: z.number().optional().meta({
    description: "Time by which it is gone, ms; absent for a pinned snapshot, which stays until " +
      "it is unpinned.",
  }),
});

export const erasureSchema = z.strictObject({
  erasureId: z.string(),
  status: z.enum(["erasing", "expiring", "erased"]).meta({
    description: "erasing: parts still drop the user. expiring: no part knows the user, and old " +
      "records and snapshots wait to be deleted. erased: nothing holds the user.",
  }),
  requestedAtMs: z.number(),
  byMs: z.number().meta({ description: "Time by which the status is erased, ms." }),
  completedAtMs: z.number().optional(),
  profile: z.strictObject({
    status: partStatusSchema,
    removed: z.boolean().meta({ description: "Whether attributes were stored." }),
  }),
  gateway: z.strictObject({
    status: partStatusSchema,
    rankingsForgotten: z.int().min(0),
  }),
  keptFeatures: partStatusSchema.optional().meta({
    description: "Absent where the server keeps no features.",
  }),
  trainers: z.array(trainerSchema),
  serving: partStatusSchema.meta({
    description: "Whether all serving replicas are without the rows.",
  }),
  holds: z.array(holdSchema).meta({
    description: "Logs and snapshots that still hold records or rows of the user.",
  }),
}).register(namedSchemas, { id: "Erasure" });

export type ErasureAnswer = z.infer<typeof erasureSchema>;
