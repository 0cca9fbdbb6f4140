/**
 * `POST /v1/rank`: candidates in, ordered items out.
 */
import { z } from "zod";
import { candidatesMax } from "../options.ts";
import { fields, namedSchemas } from "./registry.ts";
import { attributesSchema, idPattern, idSchema, timestampSchema } from "./values.ts";

const sendCandidates =
  `send a list of 1 to ${candidatesMax} candidates, each like {"id": "item-1"}`;

export const rankRequestSchema = fields({
  user: idSchema("For whom."),
  candidates: z.array(
    fields({
      id: idSchema("The item. One without stored attributes is ranked all the same."),
      fields: attributesSchema.optional().meta({
        description: "Override the item's stored attributes for this request.",
      }),
    }, 'a candidate like {"id": "item-1"}'),
    sendCandidates,
  ).min(1, sendCandidates).max(candidatesMax, sendCandidates).meta({
    description: "What to choose from, each item once.",
  }),
  context: attributesSchema.optional().meta({
    description: "Attributes of this moment: device, page, …",
  }),
  userFields: attributesSchema.optional().meta({
    description: "Override the user's stored attributes for this request.",
  }),
  timestamp: timestampSchema.optional(),
  limit: z.int(`send a whole number from 1 to ${candidatesMax}`)
    .min(1, `send a whole number from 1 to ${candidatesMax}`)
    .max(candidatesMax, `send a whole number from 1 to ${candidatesMax}`).optional().meta({
      description:
        "How many items you will show, best first; the rest is not learned from. Absent = all.",
    }),
  explain: z.boolean("send true or false").optional().meta({
    description: "Adds to each item what each feature slot brought to its score.",
  }),
  rankingId: idSchema("Your own id for this ranking, never used before. Absent = a fresh one.")
    .optional(),
}, "a ranking request").meta({
  examples: [{
    user: "user-7",
    candidates: [{ id: "item-1" }, { id: "item-2" }, { id: "item-3" }],
    limit: 2,
  }],
}).register(namedSchemas, { id: "RankRequest" });

export type RankRequest = z.infer<typeof rankRequestSchema>;

/**
 * The candidates of a request where each is an id and nothing else, as in most requests: they are valid as they are.
 * Undefined says nothing of them. The schema makes a few objects of each candidate, which for a hundred of them is a
 * third of all that a ranking leaves the garbage collector.
 */
export function plainCandidates(request: unknown): RankRequest["candidates"] | undefined {
  const candidates = (request as Partial<RankRequest> | null)?.candidates;
  if (!Array.isArray(candidates)) return undefined;
  if (candidates.length === 0 || candidates.length > candidatesMax) return undefined;
  return candidates.every(isPlain) ? candidates : undefined;
}

function isPlain(candidate: unknown): boolean {
  if (typeof candidate !== "object" || candidate === null) return false;
  for (const key in candidate) if (key !== "id") return false;
  const { id } = candidate as { readonly id?: unknown };
  return typeof id === "string" && idPattern.test(id);
}

export const rankingSchema = z.strictObject({
  rankingId: z.string().meta({ description: "Send it with each event on these items." }),
  modelVersion: z.int().min(0).meta({
    description:
      "Version of the dense weights; grows as the model learns, also when it was changed. 0 = untrained.",
  }),
  learnedThroughMs: z.number().min(0).meta({
    description:
      "Freshness: every decided event whose acceptedAtMs is at most this is in these scores (wall time, ms, fractional; 0 = none yet). An event that is not final is decided when the window of its ranking closes.",
  }),
  items: z.array(z.strictObject({
    id: z.string(),
    score: z.number().meta({
      description:
        "What orders the items. Of one task its prediction: the probability of its positive label, or its label's value; of several the sum of theirs, weighted by ranker.scoreWeights.",
    }),
    predictions: z.record(z.string(), z.number()).optional().meta({
      description:
        "Where the model has several tasks, what it predicts of each: the probability of its positive label, or its label's value.",
    }),
    cold: z.boolean().meta({
      description: "Nothing is learned about this item yet; its score rests on user and context.",
    }),
    explanation: z.array(z.strictObject({ slot: z.string(), contribution: z.number() })).optional()
      .meta({
        description:
          "On `explain`: by how much the score falls without the slot; where a single task makes the score, its logit.",
      }),
  })).meta({ description: "Best first." }),
  note: z.string().optional().meta({
    description:
      "Attributes of context, of userFields or of the first candidate's fields that no feature reads.",
  }),
}).register(namedSchemas, { id: "Ranking" });
