/**
 * Writes the two files that are derived from the schema of the configuration:
 * docs/cairn.schema.json, with which editors complete and check `cairn.yaml`, and its reference,
 * docs/configuration.md.
 *
 *     deno task schema
 */
import { configurationReference } from "../configuration/reference.ts";
import { configurationJsonSchema } from "../configuration/json_schema.ts";

/** The text of each derived file, by its path from the root of the repository. */
export const derivedDocs: Readonly<Record<string, () => string>> = {
  "docs/cairn.schema.json": () => `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`,
  "docs/configuration.md": configurationReference,
};

if (import.meta.main) {
  for (const [path, text] of Object.entries(derivedDocs)) {
    await Deno.writeTextFile(new URL(`../${path}`, import.meta.url), text());
  }
}
