/**
 * `recommend`: the search for candidates among all stored items.
 */
import { z } from "zod";

export const recommendSection = z.strictObject({
  enabled: z.boolean().default(false).describe(
    "Serves /v1/recommend and /v1/similar, for which vectors of all stored items are kept. Needs a model with dot products: factorizationMachine, deepFm or dlrm.",
  ),
  itemsMax: z.int().min(1).max(20_000_000).default(1_000_000).describe(
    "Maximum of items that are searched; further items are left out and counted. An item takes about embeddingDim + 12 bytes, and its attributes.",
  ),
  candidates: z.int().min(1).max(500).default(300)
    .describe("Items of each source that are ranked for a request that does not say."),
  sources: z.array(z.enum(["model", "recent", "popular", "trending", "history"])).min(1).default([
    "model",
  ])
    .describe(
      "Sources of candidates for a request that does not say: the inner products of the model's vectors, the newest items, the items with the greatest values of a kept feature, the items of a kept history of the user.",
    ),
  recentBy: z.string().min(1).optional().describe(
    "Numeric attribute that orders the source `recent`, the greatest first, such as the time of publication.",
  ),
  popularBy: z.string().min(1).optional().describe(
    "Kept feature of items that orders the source `popular`, such as a count of clicks in a day.",
  ),
  trendingBy: z.string().min(1).optional().describe(
    "Kept feature of items that orders the source `trending`, such as a trend of clicks.",
  ),
  historyBy: z.string().min(1).optional().describe(
    "Kept history whose items are the source `history`, such as a user's purchases, to buy again.",
  ),
  refreshShare: z.number().min(0.001).max(1).default(0.05).describe(
    "Share of the time that the search spends on computing all vectors again as the model learns. New and changed items do not wait for it.",
  ),
}).describe("Recommendations: candidates from all stored items.");
