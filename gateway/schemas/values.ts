/**
 * Schemas of the values that all requests use: ids, timestamps and attributes.
 */
import { z } from "zod";
import { namedSchemas } from "./registry.ts";

const ATTRIBUTES_MAX = 256;
const TEXT_UNITS_MAX = 4096;
const LIST_ENTRIES_MAX = 1000;

const sendId = "send text of 1 to 256 characters without control characters";

/** Ids that {@link idSchema} accepts. */
export const idPattern = /^[^\p{Cc}\p{Cs}]{1,256}$/u;

/**
 * An id that a client chooses. Lone surrogates are refused, because features hash the UTF-8 form
 * and they have none.
 */
export function idSchema(description: string) {
  return z.string(sendId).regex(idPattern, sendId).meta({ description });
}

const sendTimestamp =
  "send ms since the Unix epoch as a number, or an ISO 8601 time with its zone, " +
  "like 2026-03-01T12:00:00Z";

/** Time of a ranking or an action; `TimestampParser` turns it into ms. */
export const timestampSchema = z.union(
  [z.number(sendTimestamp), z.iso.datetime({ offset: true, error: sendTimestamp })],
  sendTimestamp,
).meta({
  description:
    "Time of the request or action: ms since the Unix epoch, or an ISO 8601 time with its zone. " +
    "Absent = now. Refused when it lies further in the future than gateway.timestampAheadMax.",
  examples: [1772366400000, "2026-03-01T12:00:00Z"],
});

export type Timestamp = z.infer<typeof timestampSchema>;

const sendText = `send at most ${TEXT_UNITS_MAX} characters of well-formed Unicode`;
const text = z.string(sendText).regex(
  new RegExp(`^[^\\p{Cs}]{0,${TEXT_UNITS_MAX}}$`, "u"),
  sendText,
);
const sendValue = "send text, a finite number, true, false, null, or a list of texts";

const attributeValue = z.union([
  text,
  z.number(),
  z.boolean(),
  z.null(),
  z.array(text, sendValue).max(LIST_ENTRIES_MAX, `send at most ${LIST_ENTRIES_MAX} texts`),
], sendValue);

const sendName = "send attribute names of 1 to 128 characters";

/** Attributes of an item, a user or the moment of a request. */
export const attributesSchema = z.record(
  z.string(sendName).regex(/^[^\p{Cc}\p{Cs}]{1,128}$/u, sendName),
  attributeValue,
  { error: "send an object of attribute names and values" },
).refine((attributes) => Object.keys(attributes).length <= ATTRIBUTES_MAX, {
  error: `send at most ${ATTRIBUTES_MAX} attributes`,
}).meta({
  description:
    "Attributes by name. The configuration's feature schema says which of them features " +
    "read; the others are stored and ignored.",
  maxProperties: ATTRIBUTES_MAX,
  examples: [{ genres: ["drama", "crime"], year: 1994, title: "Léon" }],
}).register(namedSchemas, { id: "Attributes" });
