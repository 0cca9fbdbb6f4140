/**
 * Applies the prose rules ({@link proseRules}) to the comments of the Rust crate. TypeScript has
 * the same rules in the lint plugin.
 *
 *     deno run -A scripts/check_prose.ts
 */
import { scanSource } from "./comments.ts";
import { proseRules } from "./prose_rules.ts";
import { listRustFiles } from "./source_files.ts";

/** The findings of all rules in one source, one line each. */
export function proseFindings(path: string, source: string): string[] {
  return scanSource(path, source).comments.flatMap((line) =>
    proseRules.flatMap(({ name, find, instead }) => {
      const found = find(line);
      return found === undefined ? [] : [`${path}:${line.line} ${name}: ${found}; ${instead}`];
    })
  );
}

if (import.meta.main) {
  const root = new URL("../", import.meta.url).pathname;
  const files = await listRustFiles(root);
  const findings: string[] = [];
  for (const file of files) {
    findings.push(...proseFindings(file.slice(root.length), await Deno.readTextFile(file)));
  }
  for (const finding of findings) console.error(finding);
  console.log(`prose: ${files.length} Rust files, ${findings.length} findings`);
  if (findings.length > 0 || files.length === 0) Deno.exit(1);
}
