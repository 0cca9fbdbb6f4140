/**
 * The schemas that have a name in `/openapi.json`, and the constructor of object schemas: unknown
 * fields are refused by name, with the field that was probably meant.
 *
 * Every message of every schema completes the sentence "/field is …; send …".
 */
import { z } from "zod";
import { editDistance } from "../../structures/edit_distance.ts";

/** Schemas with their names under `components.schemas`. */
export const namedSchemas = z.registry<{ id: string }>();

/**
 * An object that takes exactly these fields.
 *
 * @param name The object in a message, such as "an event".
 */
export function fields<Shape extends z.ZodRawShape>(shape: Shape, name: string) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `send only ${known.join(", ")}${suggestion((issue.keys as string[])[0], known)}`
        : `send ${name} as a JSON object`,
  });
}

/** The known name that `unknown` resembles, as a question; empty when there is none. */
function suggestion(unknown: string, known: readonly string[]): string {
  const wanted = letters(unknown);
  const near = known.find((name) => letters(name) === wanted) ??
    known.find((name) => wanted.length > 2 && isNear(letters(name), wanted));
  return near === undefined ? "" : ` (did you mean ${near}?)`;
}

/** The lengths are compared first: the client's text may be long. */
function isNear(name: string, wanted: string): boolean {
  return Math.abs(name.length - wanted.length) <= 2 && editDistance(name, wanted) <= 2;
}

function letters(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
}
