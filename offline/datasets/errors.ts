/**
 * The error of a dataset that cannot be read, with file and line.
 */
export class DatasetError extends Error {
  override readonly name = "DatasetError";

  constructor(
    readonly file: string,
    /** Line from 1; undefined where the error is about the whole file. */
    readonly line: number | undefined,
    what: string,
    cause?: unknown,
  ) {
    super(
      `Cannot read ${file}${line === undefined ? "" : `:${line}`}: ${what}`,
      cause === undefined ? undefined : { cause },
    );
  }
}

/** The text as a finite number. */
export function numberAt(
  text: string | undefined,
  file: string,
  line: number,
  what: string,
): number {
  const value = text === undefined || text.trim() === "" ? NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new DatasetError(file, line, `the ${what} is ${shown(text)}, expected a number.`);
}

/** A field as a message shows it: quoted, at most 60 characters. */
export function shown(text: string | undefined): string {
  if (text === undefined) return "missing";
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text);
}
