/**
 * `PUT` and `GET /v1/items/{id}` and `/v1/users/{id}`: attributes that become features.
 */
import { z } from "zod";
import { fields, namedSchemas } from "./registry.ts";
import { attributesSchema, idSchema } from "./values.ts";

export const profilePathSchema = z.strictObject({
  id: idSchema("The id, percent-encoded."),
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
