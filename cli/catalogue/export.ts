/**
 * The work of `cairn items export` and `cairn users export`.
 */
import type { ProfileKind } from "../../mesh/ports/profile_store.ts";
import { counted } from "../../structures/counted.ts";
import type { Output } from "../command_line.ts";
import { openCatalogue } from "./catalogue.ts";
import type { ExportFlags } from "./command.ts";

/** Lines that are written together. */
const LINES_PER_WRITE = 1_000;

export async function exportCommand(
  kind: ProfileKind,
  { stale, out, ...flags }: ExportFlags,
  output: Output,
): Promise<void> {
  const catalogue = openCatalogue(kind, flags);
  const partial = `${out}.partial`;
  const file = out === undefined ? undefined : await Deno.open(partial, {
    write: true,
    create: true,
    truncate: true,
  });
  const writer = file?.writable.getWriter();
  const encoder = new TextEncoder();
  let written = 0;
  let isComplete = false;
  try {
    let lines: string[] = [];
    const flush = async () => {
      const text = lines.join("");
      lines = [];
      if (writer) await writer.write(encoder.encode(text));
      else output.out(text);
    };
    const before = stale === undefined ? undefined : Date.now() - stale;
    for await (const profile of catalogue.list(before)) {
      lines.push(`${JSON.stringify(profile)}\n`);
      written++;
      if (lines.length >= LINES_PER_WRITE) await flush();
    }
    if (lines.length > 0) await flush();
    isComplete = true;
  } finally {
    await writer?.close();
    await catalogue.close();
    if (out !== undefined && !isComplete) await Deno.remove(partial);
  }
  if (out === undefined) return;
  await Deno.rename(partial, out);
  output.err(`${counted(written, kind)} written to ${out}\n`);
}
