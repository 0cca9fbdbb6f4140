/**
 * Ids, timestamps and attributes: the values that every request is made of.
 */
import { z } from "zod";
import { namedSchemas } from "./registry.ts";

const attributesMax = 256;
const textUnitsMax = 4096;
const listEntriesMax = 1000;

const sendId = "send text of 1 to 256 characters without control characters";

/** What {@link idSchema} lets through. */
export const idPattern = /^[^\p{Cc}\p{Cs}]{1,256}$/u;

/** An id as clients choose it. Lone surrogates are refused because they have no UTF-8 form, which features hash. */
export function idSchema(description: string) {
  return z.string(sendId).regex(idPattern, sendId).meta({ description });
}

const sendTimestamp =
  "send ms since the Unix epoch as a number, or an ISO 8601 time with its zone, like 2026-03-01T12:00:00Z";

/** When it happened; {@link DataClock} turns it into ms. */
export const timestampSchema = z.union(
  [z.number(sendTimestamp), z.iso.datetime({ offset: true, error: sendTimestamp })],
  sendTimestamp,
).meta({
  description:
    "When it happened: ms since the Unix epoch, or an ISO 8601 time with its zone. Absent = now. " +
    "Refused when it lies further in the future than gateway.timestampAheadMax.",
  examples: [1772366400000, "2026-03-01T12:00:00Z"],
});

export type Timestamp = z.infer<typeof timestampSchema>;

const sendText = `send at most ${textUnitsMax} characters of well-formed Unicode`;
const text = z.string(sendText).regex(
  new RegExp(`^[^\\p{Cs}]{0,${textUnitsMax}}$`, "u"),
  sendText,
);
const sendValue = "send text, a finite number, true, false, null, or a list of texts";

const attributeValue = z.union([
  text,
  z.number(),
  z.boolean(),
  z.null(),
  z.array(text, sendValue).max(listEntriesMax, `send at most ${listEntriesMax} texts`),
], sendValue);

const sendName = "send attribute names of 1 to 128 characters";

/** Attributes of an item, a user or a moment. */
export const attributesSchema = z.record(
  z.string(sendName).regex(/^[^\p{Cc}\p{Cs}]{1,128}$/u, sendName),
  attributeValue,
  { error: "send an object of attribute names and values" },
).refine((attributes) => Object.keys(attributes).length <= attributesMax, {
  error: `send at most ${attributesMax} attributes`,
}).meta({
  description:
    "Attributes by name. Which of them are features, and how, is the configuration's feature schema; others are kept and ignored.",
  maxProperties: attributesMax,
  examples: [{ genres: ["drama", "crime"], year: 1994, title: "Léon" }],
}).register(namedSchemas, { id: "Attributes" });
