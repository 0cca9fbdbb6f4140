/**
 * Schemas of `POST /v1/shown`: the items of a ranking that were really shown.
 */
import { z } from "zod";
import { CANDIDATES_MAX } from "../options.ts";
import { fields, namedSchemas } from "./registry.ts";
import { idSchema, timestampSchema } from "./values.ts";

const sendItems = `send a list of 1 to ${CANDIDATES_MAX} items of the ranking`;

/** A field of the requests for a ranking. */
export const awaitShownSchema = z.boolean("send true or false").meta({
  description: "true = you report the items that you show by POST /v1/shown; nothing is learned " +
    "from an item that no report and no event names. Absent = false: without a report, all items " +
    "of the answer count as shown.",
});

export const shownRequestSchema = fields({
  rankingId: idSchema("The rankingId of the answer that contained the items.", "r-1"),
  items: z.array(idSchema("An item of the ranking.", "item-1"), sendItems).min(1, sendItems).max(
    CANDIDATES_MAX,
    sendItems,
  ).meta({
    description: "The items that were shown, from the first position on. Reports add up: send " +
      "further items, or the whole list again, as the user scrolls.",
  }),
  timestamp: timestampSchema.optional(),
}, "a report of shown items").meta({
  examples: [{ rankingId: "r-1", items: ["item-1"] }],
}).register(namedSchemas, { id: "ShownReport" });

export type ShownRequest = z.infer<typeof shownRequestSchema>;

export const shownAnswerSchema = z.strictObject({
  rankingId: z.string(),
  items: z.int().min(1).meta({ description: "Number of items of this report." }),
  note: z.string().optional().meta({
    description:
      "The reason why nothing changes, if the report came too late, or if the event log " +
      "does not have the ranking.",
  }),
}).meta({
  description: "The report is durable.",
}).register(namedSchemas, { id: "ShownAnswer" });
