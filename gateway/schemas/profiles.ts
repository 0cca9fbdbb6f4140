/**
 * Schemas of `/v1/items`, `/v1/items/{id}`, `/v1/items.jsonl` and the same of `/v1/users`.
 */
import { z } from "zod";
import { PROFILES_PER_LIST_MAX, PROFILES_PER_PAGE_DEFAULT } from "../options.ts";
import { problemSchema } from "./problem.ts";
import { fields, namedSchemas } from "./registry.ts";
import { attributesSchema, profileIdSchema, timestampSchema } from "./values.ts";

export const profilePathSchema = z.strictObject({
  id: profileIdSchema("The id, percent-encoded in a URL.", "item-1"),
});

export const profileRequestSchema = fields(
  { attributes: attributesSchema },
  'a profile like {"attributes": {"year": 1994}}',
).meta({
  examples: [{ attributes: { title: "Léon", year: 1994, genres: ["drama", "crime"] } }],
}).register(namedSchemas, { id: "ProfileRequest" });

export const profilePatchSchema = fields(
  { attributes: attributesSchema },
  'changes like {"attributes": {"price": 9.5, "sale": null}}',
).meta({
  description:
    "A JSON merge patch (RFC 7396) of a profile: an attribute replaces the stored one, " +
    "null removes it, and the others stay.",
  examples: [{ attributes: { year: 1995, note: null } }],
}).register(namedSchemas, { id: "ProfilePatch" });

export const profileSchema = z.strictObject({
  id: z.string(),
  attributes: attributesSchema,
  version: z.int().min(1).meta({ description: "Number of writes since the profile was created." }),
  updatedAtMs: z.number().meta({ description: "Wall time of the last write, ms." }),
}).register(namedSchemas, { id: "Profile" });

const noteSchema = z.string().optional().meta({
  description:
    "Attributes that no feature reads, so that they change no score. They may be misspelt.",
});

/** The answer to a write. */
export const storedProfileSchema = z.strictObject({ ...profileSchema.shape, note: noteSchema })
  .register(namedSchemas, { id: "StoredProfile" });

export const profileEntrySchema = fields({
  id: profileIdSchema("The item or user that the attributes describe.", "item-1"),
  attributes: attributesSchema,
}, 'a profile like {"id": "item-1", "attributes": {"year": 1994}}')
  .register(namedSchemas, { id: "ProfileEntry" });

export type ProfileEntry = z.infer<typeof profileEntrySchema>;

/** The body of a list. Used for documentation; profiles are validated one by one. */
export const profilesRequestSchema = z.array(profileEntrySchema).min(1).max(PROFILES_PER_LIST_MAX)
  .meta({
    examples: [[
      { id: "item-1", attributes: { title: "Léon", year: 1994, genres: ["drama", "crime"] } },
      { id: "item-2", attributes: { title: "Up", year: 2009 } },
    ]],
  }).register(namedSchemas, { id: "ProfileEntries" });

const profileResultSchema = z.discriminatedUnion("status", [
  z.strictObject({
    id: z.string(),
    status: z.literal("stored"),
    version: profileSchema.shape.version,
    updatedAtMs: profileSchema.shape.updatedAtMs,
  }),
  z.strictObject({
    id: z.string().optional(),
    status: z.literal("rejected"),
    problem: problemSchema,
  }),
]);

export const profilesAnswerSchema = z.strictObject({
  stored: z.int().min(0),
  rejected: z.int().min(0),
  profiles: z.array(profileResultSchema).meta({
    description: "One entry per profile, in your order.",
  }),
  note: noteSchema,
}).meta({
  description: "The result of each profile. Stored profiles are durable.",
}).register(namedSchemas, { id: "ProfilesAnswer" });

export type ProfilesAnswer = z.infer<typeof profilesAnswerSchema>;

const sendLimit = `send a whole number from 1 to ${PROFILES_PER_LIST_MAX}`;

const writtenBeforeSchema = timestampSchema.optional().meta({
  description: "Only profiles whose last write was before this time: ms since the Unix epoch, or " +
    "an ISO 8601 time with its zone.",
  examples: ["2026-03-01T12:00:00Z"],
});

export const profilePageQuerySchema = fields({
  cursor: z.string().min(1, "send the `next` of a page, or leave it out").optional().meta({
    description: "`next` of the page before. Absent = the first page.",
  }),
  limit: z.int(sendLimit).min(1, sendLimit).max(PROFILES_PER_LIST_MAX, sendLimit).optional().meta({
    description: "Profiles that are read for this page; the page may have a few more, and with " +
      `writtenBefore it has fewer. Absent = ${PROFILES_PER_PAGE_DEFAULT}.`,
  }),
  writtenBefore: writtenBeforeSchema,
}, "a query");

export const profileExportQuerySchema = fields({ writtenBefore: writtenBeforeSchema }, "a query");

export const profilePageSchema = z.strictObject({
  count: z.int().min(0).meta({ description: "Number of all stored profiles of this kind." }),
  profiles: z.array(profileSchema),
  next: z.string().optional().meta({
    description: "Cursor of the next page; absent after the last. Pages may be empty before it.",
  }),
}).register(namedSchemas, { id: "ProfilePage" });
