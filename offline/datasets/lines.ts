/**
 * Reads a text file line by line, with line numbers. Unpacks gzip and reads UTF-16, both by the
 * first bytes of the file.
 */
import { Duplex } from "node:stream";
import { createGunzip } from "node:zlib";
import { DatasetError } from "./errors.ts";

/** Longest line, characters: a longer one means that the file is not text. */
const LINE_LENGTH_MAX = 4 * 1024 * 1024;

/** The file's text in pieces, as it is read. */
export async function* readText(file: string, encoding = "utf-8"): AsyncGenerator<string> {
  const opened = await openFile(file);
  let decoder: TextDecoder | undefined;
  try {
    // Packed files may be joined to one; DecompressionStream reads only the first of them.
    const bytes: ReadableStream<Uint8Array> = await isPacked(opened, file)
      ? opened.readable.pipeThrough(Duplex.toWeb(createGunzip()))
      : opened.readable;
    for await (const piece of bytes) {
      decoder ??= new TextDecoder(utf16Of(piece) ?? encoding);
      yield decoder.decode(piece, { stream: true });
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DatasetError(file, undefined, reason, cause);
  }
  yield decoder?.decode() ?? "";
}

async function openFile(file: string): Promise<Deno.FsFile> {
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
  return opened;
}

/**
 * Requires a file that can be read more than once: a pipe would lose what the first reader took.
 *
 * @throws {DatasetError} When it is none.
 */
export async function requireFile(file: string): Promise<void> {
  const opened = await openFile(file);
  const { isFile, isDirectory } = await opened.stat();
  opened.close();
  if (isFile) return;
  throw new DatasetError(
    file,
    undefined,
    isDirectory
      ? "it is a folder; name a file."
      : "it is a pipe or a device. The file is read more than once: first its columns, then its " +
        "rows. Write it to disk, and name that file.",
  );
}

/** Whether a file begins as gzip does; leaves it at its beginning. A pipe is told by its name. */
async function isPacked(opened: Deno.FsFile, file: string): Promise<boolean> {
  if (!(await opened.stat()).isFile) return file.endsWith(".gz");
  const start = new Uint8Array(2);
  const read = await opened.read(start);
  await opened.seek(0, Deno.SeekMode.Start);
  return read === 2 && start[0] === 0x1f && start[1] === 0x8b;
}

/** The encoding by a byte order mark of UTF-16, as a spreadsheet's "Unicode text" has it. */
function utf16Of([first, second]: Uint8Array): string | undefined {
  if (first === 0xff && second === 0xfe) return "utf-16le";
  return first === 0xfe && second === 0xff ? "utf-16be" : undefined;
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
      const line = firstLine + lines.length;
      const isList = line === 1 && rest.trimStart().startsWith("[");
      throw new DatasetError(
        file,
        line,
        `the line is longer than ${LINE_LENGTH_MAX} characters${
          isList ? `.${listHint(file)}` : "; is this a text file?"
        }`,
      );
    }
    if (lines.length === 0) continue;
    yield { firstLine, lines: lines.map(withoutReturn) };
    firstLine += lines.length;
  }
  if (rest !== "") yield { firstLine, lines: [withoutReturn(rest)] };
}

/** The cure for a file that holds a list of JSON, and is no JSON Lines. */
export function listHint(file: string): string {
  return ` Is it a list? This writes an object on each line: jq -c '.[]' ${file} > lines.jsonl`;
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
