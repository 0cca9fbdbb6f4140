/**
 * Checks a profile's attribute types when the profile is written. Without it a wrong attribute
 * would be accepted once and then fail every later ranking that reads it.
 */
import { FeatureExtractor } from "./extractor.ts";
import type { FeatureAttributes } from "./feature_request.ts";
import type { FeatureSchema } from "./schema.ts";
import type { ValueHasher } from "./value_buffer.ts";

/** @throws {FeatureTypeError} An attribute is not of the type that its slot reads. */
export type ProfileCheck = (kind: "user" | "item", attributes: FeatureAttributes) => void;

/** Types are checked before hashing, so the check is an extraction whose ids are discarded. */
const noHasher: ValueHasher = { hash: (slots) => new BigUint64Array(slots.length) };

/** The check of one schema. */
export function createProfileCheck(schema: FeatureSchema): ProfileCheck {
  const extractor = new FeatureExtractor(schema, noHasher);
  return (kind, attributes) => {
    extractor.extract({
      user: "",
      userAttributes: kind === "user" ? attributes : {},
      context: {},
      atMs: 0,
      items: [{ id: "", fields: kind === "item" ? attributes : {} }],
    });
  };
}
