/**
 * Writes docs/cairn.schema.json, which editors use to complete and check `cairn.yaml`.
 *
 *     deno task schema
 */
import { configurationJsonSchema } from "../configuration/schema.ts";

export const schemaFile = new URL("../docs/cairn.schema.json", import.meta.url);

export function schemaText(): string {
  return `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`;
}

if (import.meta.main) await Deno.writeTextFile(schemaFile, schemaText());
