/**
 * The JSON Schema of `cairn.yaml`, for editors. Large parts that occur several times (optimizers,
 * attention) are definitions named for their key, so that a new key changes few lines of the file.
 */
import { z } from "zod";
import { cairnSchema, type JsonSchemaNode } from "./schema.ts";

/** Smaller parts are repeated in place. */
const DEFINITION_CHARACTERS_MIN = 300;

/** The content of docs/cairn.schema.json (`# yaml-language-server: $schema=…`). */
export function configurationJsonSchema(): JsonSchemaNode {
  const { $schema, ...schema } = z.toJSONSchema(cairnSchema, {
    io: "input",
    override: ({ jsonSchema }) => {
      delete jsonSchema.expected;
      delete jsonSchema.range;
      delete jsonSchema.firstDefault;
    },
  });
  const parts = new RepeatedParts(schema);
  const whole = parts.referring(schema) as JsonSchemaNode;
  return { $schema, title: "Cairn configuration", ...whole, $defs: parts.definitions };
}

/** The parts of a schema that occur several times. */
class RepeatedParts {
  readonly #counts = new Map<string, number>();
  readonly #names = new Map<string, string>();
  readonly definitions: Record<string, unknown> = {};

  constructor(schema: unknown) {
    this.#count(schema);
  }

  /**
   * A copy of a node in which repeated parts are references.
   *
   * @param key The key of the node in its parent, which names its definition.
   */
  referring(node: unknown, key = ""): unknown {
    if (typeof node !== "object" || node === null) return node;
    if (Array.isArray(node)) return node.map((element) => this.referring(element, key));
    const text = JSON.stringify(node);
    if ((this.#counts.get(text) ?? 0) < 2) return this.#copy(node, key);
    const known = this.#names.get(text);
    const name = known ?? this.#unusedName(key);
    if (known === undefined) {
      this.#names.set(text, name);
      this.definitions[name] = {};
      this.definitions[name] = this.#copy(node, key);
    }
    return { $ref: `#/$defs/${name}` };
  }

  #copy(node: object, key: string): object {
    return Object.fromEntries(
      Object.entries(node).map(([name, value]) => {
        const keyword = name === "oneOf" || name === "items" || name === "additionalProperties";
        return [name, this.referring(value, keyword || name === "properties" ? key : name)];
      }),
    );
  }

  #unusedName(key: string): string {
    for (let number = 1;; number++) {
      const name = number === 1 ? key : `${key}${number}`;
      if (!Object.hasOwn(this.definitions, name)) return name;
    }
  }

  /** Counts a part once per occurrence; parts of a repeated part are counted with its first one. */
  #count(node: unknown): void {
    if (typeof node !== "object" || node === null) return;
    if (!Array.isArray(node)) {
      const text = JSON.stringify(node);
      if (isPart(node) && text.length >= DEFINITION_CHARACTERS_MIN) {
        const count = (this.#counts.get(text) ?? 0) + 1;
        this.#counts.set(text, count);
        if (count > 1) return;
      }
    }
    for (const value of Object.values(node)) this.#count(value);
  }
}

/** Whether a node of the JSON tree is a schema, not a map of properties. */
function isPart(node: object): boolean {
  return "type" in node && typeof node.type === "string" || "oneOf" in node || "anyOf" in node;
}
