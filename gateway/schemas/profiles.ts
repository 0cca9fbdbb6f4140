/**
 * `/v1/items`, `/v1/users` and what lies below: attributes that become features.
 */
import { z } from "zod";
import { profilesPerListMax } from "../options.ts";
import { problemSchema } from "./problem.ts";
import { fields, namedSchemas } from "./registry.ts";
import { attributesSchema, idSchema } from "./values.ts";

export const profilePathSchema = z.strictObject({
  id: idSchema("The id; in a URL percent-encoded."),
});

export const profileRequestSchema = fields(
  { attributes: attributesSchema },
  'a profile like {"attributes": {"year": 1994}}',
).meta({
  examples: [{ attributes: { title: "Léon", year: 1994, genres: ["drama", "crime"] } }],
}).register(namedSchemas, { id: "ProfileRequest" });

export const profileSchema = z.strictObject({
  id: z.string(),
  attributes: attributesSchema,
  version: z.int().min(1).meta({ description: "Grows by one with each write." }),
  updatedAtMs: z.number().meta({ description: "Wall time of the last write, ms." }),
}).register(namedSchemas, { id: "Profile" });

const noteSchema = z.string().optional().meta({
  description:
    "Attributes that no feature reads, so that they change no score: they may be misspelt.",
});

/** The answer to a write. */
export const storedProfileSchema = z.strictObject({ ...profileSchema.shape, note: noteSchema })
  .register(namedSchemas, { id: "StoredProfile" });

export const profileEntrySchema = fields({
  id: idSchema("Whose attributes they are."),
  attributes: attributesSchema,
}, 'a profile like {"id": "item-1", "attributes": {"year": 1994}}')
  .register(namedSchemas, { id: "ProfileEntry" });

export type ProfileEntry = z.infer<typeof profileEntrySchema>;

/** The body of a list. Each profile is validated by itself, so that one wrong one spoils no other. */
export const profilesRequestSchema = z.array(profileEntrySchema).min(1).max(profilesPerListMax)
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
  description: "What became of each profile. Stored means durable.",
}).register(namedSchemas, { id: "ProfilesAnswer" });

export type ProfilesAnswer = z.infer<typeof profilesAnswerSchema>;
