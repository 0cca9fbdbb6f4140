/**
 * Whether features can be made of a profile, asked when it is written: a wrong attribute is then refused once, to
 * whoever sent it, and not at every ranking to somebody else.
 */
import { type FeatureAttributes, FeatureExtractor } from "./extractor.ts";
import type { FeatureSchema } from "./schema.ts";
import type { ValueHasher } from "./value_buffer.ts";

/** @throws {FeatureTypeError} An attribute is not of the type that its slot reads. */
export type ProfileCheck = (kind: "user" | "item", attributes: FeatureAttributes) => void;

/** Types are checked on the way to the hash, so the check is an extraction whose ids nobody reads. */
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
