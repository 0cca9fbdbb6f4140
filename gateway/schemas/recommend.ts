/**
 * Schemas of `POST /v1/recommend` and `POST /v1/similar`.
 */
import { z } from "zod";
import { CANDIDATES_MAX } from "../options.ts";
import { fields, namedSchemas } from "./registry.ts";
import { rulesSchema } from "./rules.ts";
import { awaitShownSchema } from "./shown.ts";
import { attributesSchema, idSchema, timestampSchema } from "./values.ts";

const sendCount = `send a whole number from 1 to ${CANDIDATES_MAX}`;
const count = z.int(sendCount).min(1, sendCount).max(CANDIDATES_MAX, sendCount);

const sendPerSource = `send the number of items of each source, from 1 to ${CANDIDATES_MAX}; ` +
  "/v1/rank orders candidates of your own";

const shared = {
  limit: count.optional().meta({
    description: "Number of items that you will show, best first. Absent = 20.",
  }),
  candidates: z.int(sendPerSource).min(1, sendPerSource).max(CANDIDATES_MAX, sendPerSource)
    .optional().meta({
      description: "Items of each source that the model ranks. Absent = recommend.candidates of " +
        "cairn.yaml.",
    }),
  context: attributesSchema.optional().meta({
    description: "Attributes of the moment of the request: device, page, …",
  }),
  userFields: attributesSchema.optional().meta({
    description: "Attributes that override the user's stored ones for this request.",
  }),
  timestamp: timestampSchema.optional(),
  rules: rulesSchema.optional(),
  scenario: z.string("send the name of a scenario of cairn.yaml").optional().meta({
    description: "Rules that cairn.yaml names under `scenarios`. Absent = ranker.scenario of " +
      "cairn.yaml, if it names one.",
  }),
  learn: z.boolean("send true or false").optional().meta({
    description: "False = the ranking is not logged: nothing is learned from it, and it takes no " +
      "events. Absent = true.",
  }),
  awaitShown: awaitShownSchema.optional(),
  explain: z.boolean("send true or false").optional().meta({
    description: "Adds contributions of feature slots, moves by rules and removed items.",
  }),
  rankingId: idSchema("Your own id for this ranking, never used before. Absent = a new one.", "r-1")
    .optional(),
};

const sources = ["model", "recent", "popular", "trending", "history"] as const;
const sendSource = `send one of ${sources.join(", ")}`;
const sendSources = `send a list such as ["model", "recent"], of ${sources.join(", ")}`;

export const recommendRequestSchema = fields({
  user: idSchema("The user for whom items are recommended.", "user-7"),
  sources: z.array(z.enum(sources, sendSource), sendSources)
    .min(1, sendSources)
    .max(sources.length, sendSources).optional().meta({
      description: "Sources of candidates: `model`, the inner products of the model's vectors; " +
        "`recent`, the newest items; `popular` and `trending`, by kept features; `history`, the " +
        "items of a kept history of the user. Absent = recommend.sources of cairn.yaml.",
    }),
  ...shared,
}, "a request for recommendations").meta({
  examples: [{ user: "user-7", limit: 10 }],
}).register(namedSchemas, { id: "RecommendRequest" });

export type RecommendRequest = z.infer<typeof recommendRequestSchema>;

export const similarRequestSchema = fields({
  item: idSchema("The item to which others are similar; its attributes are stored.", "item-1"),
  user: idSchema("The user for whom the items are scored. Absent = an unknown user.", "user-7")
    .optional(),
  orderBy: z.enum(["similarity", "score"], 'send "similarity" or "score"').optional().meta({
    description:
      "Order of the items before the rules: by similarity, or by the model's score for " +
      "the user. Absent = similarity.",
  }),
  ...shared,
}, "a request for similar items").meta({
  examples: [{ item: "item-1", limit: 10 }],
}).register(namedSchemas, { id: "SimilarRequest" });

export type SimilarRequest = z.infer<typeof similarRequestSchema>;
