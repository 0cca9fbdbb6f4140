/**
 * One JSON object per line: `{"user": "u1", "item": "m1", "value": 4, "timestamp": 1700000000,
 * "userAttributes": {…}, "itemAttributes": {…}, "context": {…}}`.
 */
import { z } from "zod";
import { ChunkBuilder, type Dataset, type InteractionChunk } from "./dataset.ts";
import { DatasetError, shown } from "./errors.ts";
import { readLines } from "./lines.ts";
import { timeAt } from "./times.ts";

const attributes = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.array(z.string()), z.null()]),
);

const rowSchema = z.strictObject({
  user: z.string().default(""),
  item: z.string().default(""),
  value: z.number().optional(),
  timestamp: z.union([z.number(), z.string()]).optional(),
  action: z.string().optional(),
  userAttributes: attributes.optional(),
  itemAttributes: attributes.optional(),
  context: attributes.optional(),
});

export function openJsonl(file: string, action: string): Dataset {
  return {
    name: "jsonl",
    action,
    users: new Map(),
    items: new Map(),
    interactions: () => readJsonl(file),
  };
}

async function* readJsonl(file: string): AsyncGenerator<InteractionChunk> {
  const chunk = new ChunkBuilder();
  for await (const { firstLine, lines } of readLines(file)) {
    for (let i = 0; i < lines.length; i++) {
      if (lines[i].trim() === "") continue;
      const line = firstLine + i;
      const {
        user,
        item,
        value = NaN,
        timestamp,
        action,
        userAttributes,
        itemAttributes,
        context,
      } = parseRow(lines[i], file, line);
      chunk.add(
        user,
        item,
        value,
        timestamp === undefined ? 0 : timeAt(String(timestamp), file, line),
        {
          ...(action === undefined ? {} : { action }),
          ...(userAttributes === undefined ? {} : { user: userAttributes }),
          ...(itemAttributes === undefined ? {} : { item: itemAttributes }),
          ...(context === undefined ? {} : { context }),
        },
      );
      if (chunk.full) yield chunk.take();
    }
  }
  if (chunk.rows > 0) yield chunk.take();
}

function parseRow(text: string, file: string, line: number): z.output<typeof rowSchema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DatasetError(file, line, `${shown(text)} is not JSON.`, cause);
  }
  const parsed = rowSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new DatasetError(file, line, describe(parsed.error.issues[0], value));
}

/** The mistake in a line, and its remedy. */
function describe(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === "unrecognized_keys") {
    const keys = issue.keys.map((key) => `"${key}"`).join(", ");
    return `unknown key ${keys}; known are ${Object.keys(rowSchema.shape).join(", ")}.`;
  }
  const { path } = issue;
  const found = path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown>)?.[key],
    value,
  );
  const json = JSON.stringify(found) ?? "missing";
  const text = json.length > 60 ? `${json.slice(0, 57)}…` : json;
  if (path.length === 0) return `${text} is not an object like ${EXAMPLE}.`;
  const instead = path.length > 1
    ? "write text, a number, true, false, null, or a list of texts"
    : typeof found === "number"
    ? `write "${found}" in quotes`
    : `${issue.message}, as in ${EXAMPLE}`;
  return `${path.join(".")} is ${text}; ${instead}.`;
}

const EXAMPLE = '{"user": "u1", "item": "m1", "value": 4, "timestamp": 1700000000}';
