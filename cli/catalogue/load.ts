/**
 * The work of `cairn items load` and `cairn users load`.
 */
import type { ProfileKind } from "../../mesh/ports/profile_store.ts";
import { readLines } from "../../offline/datasets/lines.ts";
import { counted } from "../../structures/counted.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import { openCatalogue } from "./catalogue.ts";
import type { LoadFlags } from "./command.ts";

/** Lines that are stored together. */
const LINES_PER_WRITE = 1_000;
/** Refused lines that are shown. */
const REFUSED_SHOWN = 5;

interface Line {
  readonly number: number;
  readonly text: string;
}

interface Refused extends Line {
  readonly reason: string;
}

/** @throws {CommandError} When a line was refused. */
export async function loadCommand(
  kind: ProfileKind,
  file: string,
  flags: LoadFlags,
  output: Output,
): Promise<void> {
  const catalogue = openCatalogue(kind, flags);
  const refused: Refused[] = [];
  let stored = 0;

  async function store(lines: readonly Line[]): Promise<void> {
    const parsed: { readonly line: Line; readonly entry: unknown }[] = [];
    for (const line of lines) {
      try {
        parsed.push({ line, entry: entryOf(JSON.parse(line.text, finite)) });
      } catch (error) {
        const like = `{"id": "${kind}-1", "attributes": {"name": "value"}}`;
        refused.push({
          ...line,
          reason: `is no JSON such as ${like}: ${(error as Error).message}`,
        });
      }
    }
    if (parsed.length === 0) return;
    const reasons = await catalogue.store(parsed.map(({ entry }) => entry));
    reasons.forEach((reason, i) => {
      if (reason === undefined) stored++;
      // The pointer of a request's list begins with the index of the entry.
      else refused.push({ ...parsed[i].line, reason: reason.replace(/^#\/\d+[/ ]/, "") });
    });
  }

  let count: number;
  try {
    let waiting: Line[] = [];
    for await (const { firstLine, lines } of readLines(file)) {
      for (const [i, text] of lines.entries()) {
        if (text.trim() !== "") waiting.push({ number: firstLine + i, text });
        if (waiting.length < LINES_PER_WRITE) continue;
        await store(waiting);
        waiting = [];
      }
    }
    await store(waiting);
    count = await catalogue.count();
  } finally {
    await catalogue.close();
  }
  refused.sort((a, b) => a.number - b.number);
  if (flags.refused !== undefined) {
    const lines = refused.map(({ number, reason, text }) =>
      JSON.stringify({ line: number, reason, text })
    );
    await Deno.writeTextFile(flags.refused, lines.map((line) => `${line}\n`).join(""));
  }
  output.out(
    flags.json
      ? `${JSON.stringify({ stored, refused: refused.length, count })}\n`
      : `${counted(stored, kind)} stored, ${counted(refused.length, "line")} refused; ` +
        `${counted(count, kind)} in the catalogue\n`,
  );
  for (const { number, reason } of refused.slice(0, REFUSED_SHOWN)) {
    output.err(`${file}:${number} ${reason}\n`);
  }
  if (refused.length === 0) return;
  throw new CommandError(
    `${counted(refused.length, "line")} of ${file} refused` +
      (flags.refused === undefined ? "; --refused <file> lists them." : `; see ${flags.refused}.`),
  );
}

/** Refuses a number that no float64 holds: it would be sent as null. */
function finite(key: string, value: unknown): unknown {
  if (typeof value !== "number" || Number.isFinite(value)) return value;
  throw new RangeError(`the number of "${key}" is too large`);
}

/** The entry to store; an exported line also has the version and time of its last write. */
function entryOf(line: unknown): unknown {
  if (typeof line !== "object" || line === null || Array.isArray(line)) return line;
  const { version: _version, updatedAtMs: _updatedAtMs, ...entry } = line as Record<
    string,
    unknown
  >;
  return entry;
}
