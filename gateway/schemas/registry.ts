/**
 * The schemas that have a name in `/openapi.json`, and the constructor of object schemas: unknown
 * fields are refused by name, with the field that was probably meant.
 *
 * Every message of every schema completes the sentence "/field is …; send …".
 */
import { z } from "zod";
import { meantName } from "../../structures/nearest_name.ts";

/** Schemas with their names under `components.schemas`. */
export const namedSchemas = z.registry<{ id: string }>();

/**
 * An object that takes exactly these fields.
 *
 * @param name The object in a message, such as "an event".
 * @param last Content of the last field, where its name alone does not tell it.
 */
export function fields<Shape extends z.ZodRawShape>(shape: Shape, name: string, last?: string) {
  const known = Object.keys(shape);
  const sendOnly = `send only ${known.join(", ")}${
    last === undefined ? "" : `, which has ${last}`
  }`;
  knownFields.set(sendOnly, known);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys" ? sendOnly : `send ${name} as a JSON object`,
  });
}

/** The known fields of a schema by its correction, which is all that an issue has of the schema. */
const knownFields = new Map<string, readonly string[]>();

/**
 * The correction for one unknown field. An issue lists all unknown fields of an object; few of them
 * are answered.
 *
 * @param sendOnly Message of the issue.
 */
export function unknownFieldCorrection(name: string, sendOnly: string): string {
  const meant = meantName(name, knownFields.get(sendOnly) ?? []);
  return meant === undefined ? sendOnly : `${sendOnly} (did you mean ${meant}?)`;
}
