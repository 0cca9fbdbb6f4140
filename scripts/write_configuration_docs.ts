/**
 * Writes what is derived from the configuration's schema: docs/cairn.schema.json, by which editors complete and check
 * `cairn.yaml`, and docs/configuration.md, its reference for people.
 *
 *     deno task schema
 */
import { configurationReference } from "../configuration/reference.ts";
import { configurationJsonSchema } from "../configuration/schema.ts";

/** Each file's text, by its path from the repository's root. */
export const derivedDocs: Readonly<Record<string, () => string>> = {
  "docs/cairn.schema.json": () => `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`,
  "docs/configuration.md": configurationReference,
};

if (import.meta.main) {
  for (const [path, text] of Object.entries(derivedDocs)) {
    await Deno.writeTextFile(new URL(`../${path}`, import.meta.url), text());
  }
}
