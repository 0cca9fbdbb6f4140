/**
 * Schemas of `POST /v1/events`: actions of users on the items of a ranking.
 */
import { z } from "zod";
import { EVENTS_PER_BATCH_MAX } from "../options.ts";
import { isFloat32 } from "../parsing/attribute_check.ts";
import { fields, namedSchemas } from "./registry.ts";
import { problemSchema } from "./problem.ts";
import { idSchema, timestampSchema } from "./values.ts";

const sendFloat32 = "send a number within ±3.4e38, the range of float32";

export const eventSchema = fields({
  eventId: idSchema(
    "Your own id for this event, such as a UUID. The same event sent again counts once; another " +
      "event under the same eventId is refused.",
    "e-1",
  ),
  rankingId: idSchema("The rankingId of the answer that contained the item.", "r-1").optional(),
  user: idSchema(
    "The user of an event that names no ranking. It goes to the newest ranking that showed the item " +
      "to the user, or is learned from with sampled negatives (gateway.eventsWithoutRanking).",
    "user-7",
  ).optional(),
  item: idSchema("The item: with a rankingId, one that the ranking showed.", "item-1"),
  action: idSchema(
    "The action: click, purchase, rating, … The label rules give it a meaning.",
    "click",
  ),
  value: z.number("send a finite number").refine(isFloat32, sendFloat32).optional().meta({
    description: "Strength of the action, if it has one: a rating, a price, seconds watched.",
  }),
  timestamp: timestampSchema.optional(),
}, "an event").meta({
  examples: [{ eventId: "e-1", rankingId: "r-1", item: "item-1", action: "click" }],
}).register(namedSchemas, { id: "Event" });

export type EventRequest = z.infer<typeof eventSchema>;

/** The body: one event or a list. Used for documentation; events are validated one by one. */
export const eventsRequestSchema = z.union([
  eventSchema,
  z.array(eventSchema).min(1).max(EVENTS_PER_BATCH_MAX),
]).meta({
  examples: [{ eventId: "e-1", rankingId: "r-1", item: "item-1", action: "click" }],
}).register(namedSchemas, { id: "EventOrEvents" });

const eventResultSchema = z.discriminatedUnion("status", [
  z.strictObject({
    eventId: z.string(),
    status: z.enum(["accepted", "duplicate"]),
    acceptedAtMs: z.number().meta({
      description: "Wall time of the (first) acceptance, ms, fractional and ascending. A ranking " +
        "whose learnedThroughMs is at least this has learned from the event, if the event is " +
        "decided: at once if its label rule is final, else when the window of its ranking closes.",
    }),
    rankingId: z.string().optional().meta({
      description: "The ranking to which an event with `user` was attributed.",
    }),
    unlogged: z.literal(true).optional().meta({
      description:
        "The event log does not have the event's ranking, because its server was away, slow " +
        "or full: nothing is learned from the event, unless the ranking's record reaches the log later.",
    }),
    note: z.string().optional().meta({
      description: "The reason why nothing will be learned from the event, or how it is learned " +
        "from if no ranking that the gateway knows showed its item to its user.",
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
  description: "The result of each event. Accepted events are durable.",
}).register(namedSchemas, { id: "EventsAnswer" });

export type EventsAnswer = z.infer<typeof eventsAnswerSchema>;
