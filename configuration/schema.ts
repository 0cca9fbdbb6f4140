/**
 * The schema of `cairn.yaml`, section by section. All maps are strict: an unknown key is an error.
 */
import { z } from "zod";
import { embeddingsSection } from "./sections/embeddings.ts";
import { featuresSection } from "./sections/features.ts";
import { gatewaySection, rankerSection } from "./sections/gateway.ts";
import { meshSection } from "./sections/hosts.ts";
import { joinerSection, trainerSection } from "./sections/learning.ts";
import { placementSection, shardsSection, storageSection, syncSection } from "./sections/mesh.ts";
import { keptSection } from "./sections/kept.ts";
import { modelSection } from "./sections/model.ts";
import { recommendSection } from "./sections/recommend.ts";
import { attributesSection, scenariosSection } from "./sections/rules.ts";
import type { UnitRange } from "./units.ts";

export const sections = {
  features: featuresSection,
  model: modelSection.prefault({ kind: "deepFm" }),
  embeddings: embeddingsSection.prefault({}),
  joiner: joinerSection.prefault({}),
  trainer: trainerSection.prefault({}),
  shards: shardsSection.prefault({}),
  mesh: meshSection.optional(),
  placement: placementSection.prefault({ kind: "singleThread" }),
  sync: syncSection.prefault({}),
  ranker: rankerSection.prefault({}),
  kept: keptSection.prefault({}),
  attributes: attributesSection.prefault({}),
  scenarios: scenariosSection.prefault({}),
  recommend: recommendSection.prefault({}),
  storage: storageSection.prefault({ kind: "memory" }),
  gateway: gatewaySection.prefault({}),
} as const;

export const cairnSchema = z.strictObject(sections);

/** The file's content with every default filled in. */
export type CairnFile = z.output<typeof cairnSchema>;

/** A node of the JSON Schema, with the keywords that messages and the reference use. */
export interface JsonSchemaNode {
  readonly [keyword: string]: unknown;
  readonly type?: string;
  readonly description?: string;
  /** Description of the accepted values that keywords cannot express; not exported. */
  readonly expected?: string;
  /** Range of a duration or size, which is written as text; not exported. */
  readonly range?: UnitRange;
  readonly properties?: Readonly<Record<string, JsonSchemaNode>>;
  readonly additionalProperties?: JsonSchemaNode | boolean;
  /** The keys of a map whose keys the user names. */
  readonly propertyNames?: JsonSchemaNode;
  readonly items?: JsonSchemaNode;
  readonly oneOf?: readonly JsonSchemaNode[];
  readonly anyOf?: readonly JsonSchemaNode[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly required?: readonly string[];
}

let described: JsonSchemaNode | undefined;

/**
 * The schema for messages and the reference; defaults are in the unit of the options (ms, bytes).
 * Made at the first call: a start without findings does not need it.
 */
export function describedSchema(): JsonSchemaNode {
  return described ??= z.toJSONSchema(cairnSchema, {
    io: "input",
    override({ zodSchema, jsonSchema }) {
      // zod omits defaults of values that are parsed from text (durations, sizes): as input the
      // number would be wrong.
      const { def } = zodSchema._zod;
      if (def.type === "default") jsonSchema.default ??= def.defaultValue as number;
    },
  }) as JsonSchemaNode;
}
