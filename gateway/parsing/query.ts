/**
 * Reads the parameters of a query. A text that is a number becomes a number, since a query has only
 * texts; a parameter that the schema reads as text keeps it.
 */
import { z } from "zod";
import { ProblemError } from "../problems.ts";
import type { GatewayContext } from "../endpoint.ts";
import { validate } from "./validation.ts";

const numberPattern = /^-?\d{1,16}(?:\.\d{1,6})?$/;

/**
 * The query as a value of `schema`.
 *
 * @throws {ProblemError} `invalid-request` for wrong parameters, `malformed-request` for a repeated
 * one.
 */
export function readQuery<S extends z.ZodObject>(context: GatewayContext, schema: S): z.output<S> {
  const sent: Record<string, unknown> = Object.create(null);
  for (const [name, text] of new URL(context.req.url).searchParams) {
    if (Object.hasOwn(sent, name)) {
      throw new ProblemError(
        "malformed-request",
        `The query has ${JSON.stringify(name)} twice; send it once.`,
      );
    }
    const isText = schema.shape[name] !== undefined && isTextSchema(schema.shape[name]);
    sent[name] = !isText && numberPattern.test(text) ? Number(text) : text;
  }
  return validate(schema, { ...sent });
}

function isTextSchema(schema: z.core.$ZodType): boolean {
  const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
  return inner instanceof z.ZodString;
}
