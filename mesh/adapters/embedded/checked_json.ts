/**
 * Small JSON files with a checksum: the text, a line end, and `crc32 ` with the checksum of the
 * text in eight hexadecimal digits. A changed digit in an offset is an error in place of another
 * offset.
 */
import { crc32 } from "node:zlib";
import type { Files } from "../../ports/files.ts";
import { readFileIfAny, replaceFile } from "./small_file.ts";

/** A file holds other bytes than were written. */
export class DamagedFileError extends Error {
  override readonly name = "DamagedFileError";
  constructor(readonly path: string, readonly reason: string, readonly remedy: string) {
    super(`Cannot read ${path}: ${reason}. ${remedy}`);
  }
}

/** Replaces the file; resolves when it is durable. */
export async function writeCheckedJson(
  path: string,
  value: unknown,
  files: Files,
): Promise<void> {
  const text = JSON.stringify(value);
  const bytes = new TextEncoder().encode(`${text}\n${checksumLine(text)}\n`);
  await replaceFile(path, [bytes], files);
}

/**
 * The file's value; undefined where there is no such file.
 *
 * @param remedy Advice for the operator, a sentence of the error.
 * @throws {DamagedFileError} When the checksum does not match.
 */
export function readCheckedJson(path: string, remedy: string, files: Files): unknown {
  const bytes = readFileIfAny(path, files);
  if (bytes === undefined) return undefined;
  const [text, line, rest, ...more] = new TextDecoder().decode(bytes).split("\n");
  if (line !== checksumLine(text) || rest !== "" || more.length > 0) {
    throw new DamagedFileError(path, "its checksum does not match its text", remedy);
  }
  return JSON.parse(text);
}

function checksumLine(text: string): string {
  return `crc32 ${crc32(text).toString(16).padStart(8, "0")}`;
}
