/**
 * Schemas of the values that all requests use: ids, timestamps and attributes.
 */
import { z } from "zod";
import type { Attributes } from "../../mesh/ports/profile_store.ts";
import {
  attributeIssues,
  ATTRIBUTES_MAX,
  LIST_ENTRIES_MAX,
  TEXT_CHARACTERS_MAX,
} from "../parsing/attribute_check.ts";
import { ID_CHARACTERS_MAX, idPattern } from "../../records/client_ids.ts";
import { namedSchemas } from "./registry.ts";

/** Largest finite float32. */
const FLOAT32_MAX = 3.4028234663852886e38;

/** An id that a client chooses. @param example Shown in the API's description and in errors. */
export function idSchema(description: string, example: string) {
  const send = `send text of 1 to ${ID_CHARACTERS_MAX} characters without control characters, ` +
    `like ${JSON.stringify(example)}`;
  return z.string(send).regex(idPattern, send).meta({ description, examples: [example] });
}

const sendProfileId = "send an id other than . and .., which URLs cannot address";

/** An id of a stored profile: URLs resolve `.` and `..` away, percent-encoded or not. */
export function profileIdSchema(description: string, example: string) {
  return idSchema(description, example).refine((id) => id !== "." && id !== "..", sendProfileId);
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

/** The JSON schema of an attribute's value. */
const valueJsonSchema = {
  anyOf: [
    { type: "string", maxLength: TEXT_CHARACTERS_MAX },
    { type: "number", minimum: -FLOAT32_MAX, maximum: FLOAT32_MAX },
    { type: "boolean" },
    { type: "null" },
    {
      type: "array",
      maxItems: LIST_ENTRIES_MAX,
      items: { type: "string", maxLength: TEXT_CHARACTERS_MAX },
    },
  ],
};

/**
 * Attributes of an item, a user or the moment of a request. Checked by hand, so the JSON schema is
 * given here. An issue says only that something is wrong; `FieldErrors` lists what.
 */
export const attributesSchema = z.unknown().check(({ issues, value: input }) => {
  if (attributeIssues(input, 1).length === 0) return;
  issues.push({ code: "custom", input, params: { attributes: true } });
}).meta({
  description:
    "Attributes by name. The configuration's feature schema says which of them features " +
    "read; the others are stored and ignored.",
  type: "object",
  maxProperties: ATTRIBUTES_MAX,
  propertyNames: { type: "string", minLength: 1, maxLength: 128 },
  additionalProperties: valueJsonSchema,
  examples: [{ genres: ["drama", "crime"], year: 1994, title: "Léon" }],
}).register(namedSchemas, { id: "Attributes" }) as unknown as z.ZodType<Attributes>;
