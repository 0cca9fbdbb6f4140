/**
 * Schemas of `POST /v1/rank`.
 */
import { z } from "zod";
import { CANDIDATES_MAX } from "../options.ts";
import { fields, namedSchemas } from "./registry.ts";
import { rulesSchema } from "./rules.ts";
import { awaitShownSchema } from "./shown.ts";
import { attributesSchema, idSchema, timestampSchema } from "./values.ts";

const sendLimit = `send a whole number from 1 to ${CANDIDATES_MAX}`;
const sendCandidates =
  `send a list of 1 to ${CANDIDATES_MAX} candidates, each like {"id": "item-1"}`;

const sendShown = `send a list of 1 to ${CANDIDATES_MAX} ids of candidates, each once`;

export const candidateSchema = fields(
  {
    id: idSchema("The item. An item without stored attributes is ranked too.", "item-1"),
    fields: attributesSchema.optional().meta({
      description: "Attributes that override the item's stored ones for this request.",
    }),
  },
  'a candidate like {"id": "item-1"}',
  "the item's attributes",
);

export const rankRequestSchema = fields({
  user: idSchema("The user for whom the candidates are ordered.", "user-7"),
  candidates: z.array(candidateSchema, sendCandidates).min(1, sendCandidates).max(
    CANDIDATES_MAX,
    sendCandidates,
  ).meta({
    description: "The items to order, each once.",
  }),
  context: attributesSchema.optional().meta({
    description: "Attributes of the moment of the request: device, page, …",
  }),
  userFields: attributesSchema.optional().meta({
    description: "Attributes that override the user's stored ones for this request.",
  }),
  timestamp: timestampSchema.optional(),
  limit: z.int(sendLimit).min(1, sendLimit).max(CANDIDATES_MAX, sendLimit).optional().meta({
    description: "Number of items that you will show, best first. Nothing is learned from the " +
      "others. Absent = all.",
  }),
  explain: z.boolean("send true or false").optional().meta({
    description: "Adds to the first 20 items the contribution of each feature slot to the score. " +
      "Other rankings go before an explanation.",
  }),
  learn: z.boolean("send true or false").optional().meta({
    description:
      "false = nothing is learned from this ranking: for previews, load tests, crawlers " +
      "and comparisons. Events on it are refused. Default true.",
  }),
  awaitShown: awaitShownSchema.optional(),
  shown: z.array(idSchema("A candidate.", "item-1"), sendShown).min(1, sendShown).max(
    CANDIDATES_MAX,
    sendShown,
  ).optional().meta({
    description: "The candidates that you show, in your order, where it is not the order of the " +
      "answer, as for a control group. They are learned from, and events may name them.",
  }),
  rules: rulesSchema.optional(),
  scenario: z.string("send the name of a scenario of cairn.yaml").optional().meta({
    description: "Rules that cairn.yaml names under `scenarios`. Lists of `rules` add to them; " +
      "diversity, rotation and newItems of `rules` replace theirs. Absent = ranker.scenario of " +
      "cairn.yaml, if it names one.",
  }),
  rankingId: idSchema("Your own id for this ranking, never used before. Absent = a new one.", "r-1")
    .optional(),
}, "a ranking request").meta({
  examples: [{
    user: "user-7",
    candidates: [{ id: "item-1" }, { id: "item-2" }, { id: "item-3" }],
    limit: 2,
  }],
}).register(namedSchemas, { id: "RankRequest" });

export type RankRequest = z.infer<typeof rankRequestSchema>;

export const rankingSchema = z.strictObject({
  rankingId: z.string().meta({
    description: "Id of this ranking; send it with each event on its items.",
  }),
  modelVersion: z.int().min(0).meta({
    description: "Version of the dense weights. Grows as the model learns, also after the model " +
      "was changed. 0 = untrained.",
  }),
  learnedThroughMs: z.number().min(0).meta({
    description: "Freshness: these scores have learned from every decided event whose " +
      "acceptedAtMs is at most this (wall time, ms, fractional; 0 = none yet, or learned rows could " +
      "not be read just now). An event that is " +
      "not final is decided when the window of its ranking closes.",
  }),
  items: z.array(z.strictObject({
    id: z.string(),
    score: z.number().meta({
      description:
        "Ranking score. With one task: its prediction (the probability of its positive " +
        "label, or its label's value). With several: the sum of their predictions, weighted by " +
        "ranker.scoreWeights.",
    }),
    predictions: z.record(z.string(), z.number()).optional().meta({
      description: "Prediction of each task, if the model has several: the probability of its " +
        "positive label, or its label's value.",
    }),
    cold: z.boolean().meta({
      description:
        "Nothing that is learned about this item is there; its score depends on user and context.",
    }),
    sources: z.array(z.enum(["model", "recent", "popular", "trending", "history", "new"]))
      .optional().meta({
        description: "Of a recommendation: where the item comes from; empty for a pinned one.",
      }),
    similarity: z.number().optional().meta({
      description: "Of a similar item: the cosine of the vectors, -1 to 1.",
    }),
    explanation: z.array(z.strictObject({ slot: z.string(), contribution: z.number() })).optional()
      .meta({
        description: "With `explain`, for the first 20 items: the decrease of the score without " +
          "the slot, largest first. With one task, the decrease of its logit.",
      }),
    moves: z.array(z.strictObject({
      rule: z.enum(["boost", "rotation", "diversity", "newItems", "pin"]),
      from: z.int().min(1),
      to: z.int().min(1),
      boosts: z.array(z.string()).optional(),
    })).optional().meta({
      description: "With `explain`: the item's position before and after each rule that changed " +
        "it, from 1. `boosts` are the conditions that it meets; an item without them was passed.",
    }),
  })).meta({ description: "Best first. Empty if the rules left no item." }),
  removed: z.array(z.strictObject({ id: z.string(), by: z.enum(["exclude", "filter"]) }))
    .optional().meta({
      description: "With `explain`: the first 20 candidates that rules left out, with the rule.",
    }),
  unlogged: z.literal(true).optional().meta({
    description: "The event log did not take the ranking, because its server was away, slow or " +
      "full: nothing is learned from it or from events on it, unless its record reaches the log later.",
  }),
  note: z.string().optional().meta({
    description: "Attributes of context, userFields or the first candidate's fields that no " +
      "feature reads; rules that were not applied; of an answer without items, what left it empty.",
  }),
}).register(namedSchemas, { id: "Ranking" });
