/**
 * The schemas that have a name in `/openapi.json`, and the one way to make an object schema: unknown fields are
 * refused by name, with the field that was probably meant.
 *
 * Every message of every schema completes the sentence "/field is …; send …".
 */
import { z } from "zod";

/** Schemas by their name under `components.schemas`. */
export const namedSchemas = z.registry<{ id: string }>();

/** An object that takes exactly these fields. */
export function fields<Shape extends z.ZodRawShape>(shape: Shape, what: string) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `send only ${known.join(", ")}${meant((issue.keys as string[])[0], known)}`
        : `send ${what} as a JSON object`,
  });
}

function meant(unknown: string, known: readonly string[]): string {
  const wanted = letters(unknown);
  const near = known.find((name) => letters(name) === wanted) ??
    known.find((name) => wanted.length > 2 && editDistance(letters(name), wanted) <= 2);
  return near === undefined ? "" : ` (did you mean ${near}?)`;
}

function letters(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
}

/** Levenshtein distance of two short names. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(
        previous[j] + 1,
        row[j - 1] + 1,
        previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    }
    previous = row;
  }
  return previous[b.length];
}
