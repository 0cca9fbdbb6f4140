/**
 * Reads a text file line by line, with line numbers; unpacks `.gz`.
 */
import { DatasetError } from "./errors.ts";

/** Longest line, characters: a longer one means that the file is not text. */
const LINE_LENGTH_MAX = 4 * 1024 * 1024;

/** The file's text in pieces, as it is read. */
export async function* readText(file: string, encoding = "utf-8"): AsyncGenerator<string> {
  let opened: Deno.FsFile;
  try {
    opened = await Deno.open(file);
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound
      ? "there is no such file."
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new DatasetError(file, undefined, reason, cause);
  }
  const bytes = file.endsWith(".gz")
    ? opened.readable.pipeThrough(new DecompressionStream("gzip"))
    : opened.readable;
  const decoder = new TextDecoder(encoding);
  try {
    for await (const piece of bytes) yield decoder.decode(piece, { stream: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DatasetError(file, undefined, reason, cause);
  }
  yield decoder.decode();
}

/** Lines without their line ends, in groups, so that reading costs no promise per line. */
export async function* readLines(
  file: string,
  encoding?: string,
): AsyncGenerator<{ readonly firstLine: number; readonly lines: readonly string[] }> {
  let rest = "";
  let firstLine = 1;
  for await (const piece of readText(file, encoding)) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_LENGTH_MAX) {
      throw new DatasetError(
        file,
        firstLine + lines.length,
        `the line is longer than ${LINE_LENGTH_MAX} characters; is this a text file?`,
      );
    }
    if (lines.length === 0) continue;
    yield { firstLine, lines: lines.map(withoutReturn) };
    firstLine += lines.length;
  }
  if (rest !== "") yield { firstLine, lines: [withoutReturn(rest)] };
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
