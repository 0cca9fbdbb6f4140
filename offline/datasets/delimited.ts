/**
 * Files of ratings whose fields are separated by a fixed text and never quoted: `u.data` (tabs) and
 * `ratings.dat` (`::`).
 */
import { ChunkBuilder, type InteractionChunk } from "./dataset.ts";
import { DatasetError, numberAt } from "./errors.ts";
import { readLines } from "./lines.ts";

/** `user, item, rating, unix seconds` on each line. */
export async function* readRatings(
  file: string,
  separator: string,
): AsyncGenerator<InteractionChunk> {
  const chunk = new ChunkBuilder();
  for await (const { line, fields } of readFields(file, separator, 4)) {
    const [user, item, rating, seconds] = fields;
    if (user === "" || item === "") {
      throw new DatasetError(file, line, `the ${user === "" ? "user" : "item"} is empty.`);
    }
    const value = numberAt(rating, file, line, "rating");
    chunk.add(user, item, value, 1000 * numberAt(seconds, file, line, "timestamp (unix seconds)"));
    if (chunk.full) yield chunk.take();
  }
  if (chunk.rows > 0) yield chunk.take();
}

/** Fields of each line that is not empty. */
export async function* readFields(
  file: string,
  separator: string,
  fieldsMin: number,
  encoding?: string,
): AsyncGenerator<{ readonly line: number; readonly fields: readonly string[] }> {
  for await (const { firstLine, lines } of readLines(file, encoding)) {
    for (let i = 0; i < lines.length; i++) {
      if (lines[i] === "") continue;
      const fields = lines[i].split(separator);
      if (fields.length < fieldsMin) {
        throw new DatasetError(
          file,
          firstLine + i,
          `it has ${fields.length} fields separated by ${JSON.stringify(separator)}, ` +
            `expected ${fieldsMin} or more.`,
        );
      }
      yield { line: firstLine + i, fields };
    }
  }
}
