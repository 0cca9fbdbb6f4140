/**
 * `POST /v1/events`: what people did with the items of a ranking.
 */
import { z } from "zod";
import { eventsPerBatchMax } from "../options.ts";
import { fields, namedSchemas } from "./registry.ts";
import { problemSchema } from "./problem.ts";
import { idSchema, timestampSchema } from "./values.ts";

export const eventSchema = fields({
  eventId: idSchema(
    "Unique for this event, such as a UUID: sent again with the same eventId, it counts once.",
  ),
  rankingId: idSchema("The rankingId of the answer that showed the item."),
  item: idSchema("The item, one that the ranking showed."),
  action: idSchema("What was done: click, purchase, rating, … The label rules give it a meaning."),
  value: z.number("send a finite number").optional().meta({
    description: "Its strength where it has one: a rating, a price, seconds watched.",
  }),
  timestamp: timestampSchema.optional(),
}, "an event").meta({
  examples: [{ eventId: "e-1", rankingId: "r-1", item: "item-1", action: "click" }],
}).register(namedSchemas, { id: "Event" });

export type EventRequest = z.infer<typeof eventSchema>;

/** The body: one event, or a list. Each event of a list is validated by itself, so that one wrong one spoils no other. */
export const eventsRequestSchema = z.union([
  eventSchema,
  z.array(eventSchema).min(1).max(eventsPerBatchMax),
]).meta({
  examples: [{ eventId: "e-1", rankingId: "r-1", item: "item-1", action: "click" }],
}).register(namedSchemas, { id: "EventOrEvents" });

const eventResultSchema = z.discriminatedUnion("status", [
  z.strictObject({
    eventId: z.string(),
    status: z.enum(["accepted", "duplicate"]),
    acceptedAtMs: z.number().meta({
      description:
        "Wall time of (first) acceptance, ms, fractional and ascending. A ranking with learnedThroughMs ≥ this has learned from the event, if that is decided: at once where its label rule is final, else when the window of its ranking closes.",
    }),
    note: z.string().optional().meta({
      description: "Accepted, but nothing will be learned from it: why.",
    }),
  }),
  z.strictObject({
    eventId: z.string().optional(),
    status: z.literal("rejected"),
    problem: problemSchema,
  }),
]);

export const eventsAnswerSchema = z.strictObject({
  accepted: z.int().min(0),
  duplicates: z.int().min(0),
  rejected: z.int().min(0),
  events: z.array(eventResultSchema).meta({ description: "One entry per event, in your order." }),
}).meta({
  description: "What became of each event. Accepted means durable.",
}).register(namedSchemas, { id: "EventsAnswer" });

export type EventResult = z.infer<typeof eventResultSchema>;
export type EventsAnswer = z.infer<typeof eventsAnswerSchema>;
