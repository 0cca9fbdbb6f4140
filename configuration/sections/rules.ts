/**
 * `attributes` and `scenarios`: the attributes that rules read, and named rules.
 */
import { z } from "zod";
import { duration } from "../units.ts";

const types = z.record(
  z.string().min(1).max(128),
  z.enum(["text", "number", "boolean", "texts"]),
);

export const attributesSection = z.strictObject({
  item: types.default({}).describe(
    "Types of items' attributes by name: `{ stock: number, brand: text }`.",
  ),
  user: types.default({}).describe("Types of users' attributes."),
  context: types.default({}).describe("Types of requests' attributes."),
}).describe(
  "Types of attributes for rules: text, number, boolean, or texts for a list of texts. Attributes that features read are known without: of a list slot as texts, of a numeric slot as a number, of a categorical slot as a label, which is compared by == only unless it is declared here. Stored attributes of another type are refused.",
);

const condition = z.string().min(1).max(1000);

const top = z.int().min(1).max(500).optional()
  .describe("Positions that the rule is about. Default: all.");

const scenario = z.strictObject({
  filter: condition.optional().describe(
    'Condition on an item; items that do not meet it are left out: `stock > 0 && !("adult" in tags)`.',
  ),
  boost: z.array(
    z.strictObject({
      when: condition.describe("Condition on an item."),
      factor: z.number().positive().max(1000).describe(
        "Multiplies the score of items that meet it; below 1 it lowers them.",
      ),
    }),
  ).max(32).optional().describe("Changes of scores before the items are ordered."),
  exclude: z.array(
    z.strictObject({
      what: z.string().min(1)
        .describe("shown = items that rankings showed to the user; else the name of an action."),
      within: duration("1s", "365d").describe("Time before the request."),
    }),
  ).max(16).optional().describe(
    "Leaves out items that the user has seen or acted on. A history of the action is kept (`kept.features`).",
  ),
  rotation: z.strictObject({
    within: duration("1s", "365d").describe("Time before the request."),
    penalty: z.number().positive().max(1)
      .describe("Share of its score that an item loses; 1 = it comes behind all others."),
  }).optional().describe("Lowers items that were just shown to the user."),
  diversity: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("cap"),
      by: z.string().min(1).describe("An attribute of items; of a list, each value counts."),
      max: z.int().min(1).max(500).describe("Items with the same value among the first `top`."),
      top,
    }).describe("At most `max` items with the same value of an attribute."),
    z.strictObject({
      kind: z.literal("mmr"),
      lambda: z.number().min(0).max(1).describe(
        "Weight of the score; the rest is the weight of the difference from the items before.",
      ),
      top,
    }).describe("Maximal marginal relevance by the cosine of the model's vectors."),
  ]).optional().describe("Spreads items that are alike."),
  newItems: z.strictObject({
    when: condition.describe(
      "Condition on an item that is new: `shown_month < 100` of a kept count, `publishedMs > now - days(7)`.",
    ),
    share: z.number().positive().max(1).describe(
      "Share of the positions that new items have at least, on average over rankings.",
    ),
    top,
  }).optional().describe(
    "Gives new items a share of the positions that pins do not take. New items behind these positions are drawn, each with the same chance.",
  ),
  pin: z.array(
    z.strictObject({
      item: z.string().min(1).max(256).describe("Id of the item."),
      position: z.int().min(1).max(500).describe("Position in the answer, from 1."),
    }),
  ).max(50).optional().describe("Items at fixed positions, if they are candidates."),
});

export const scenariosSection = z.record(z.string().min(1).max(128), scenario).describe(
  "Rules by name, for requests with this `scenario`. They apply in this order: exclude, filter, boost, rotation, diversity, newItems, pin.",
);
