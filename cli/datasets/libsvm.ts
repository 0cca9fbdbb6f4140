/**
 * `label index:value index:value …`, as sparse learners exchange examples.
 *
 * An index becomes the context attribute of that name (`{ kind: numeric, source: context, attribute: "7" }`), and the
 * list attribute `indices` holds every index with a value other than 0 (`{ kind: list, source: context,
 * attribute: indices }`). `qid:n` becomes the user.
 */
import type { FeatureAttributes } from "../../kernels/features/extractor.ts";
import { ChunkBuilder, type Dataset, type InteractionChunk } from "./dataset.ts";
import { DatasetError, numberAt, shown } from "./errors.ts";
import { readLines } from "./lines.ts";

export function openLibsvm(file: string, action: string): Dataset {
  return {
    name: "libsvm",
    action,
    users: new Map(),
    items: new Map(),
    interactions: () => readLibsvm(file),
  };
}

async function* readLibsvm(file: string): AsyncGenerator<InteractionChunk> {
  const chunk = new ChunkBuilder();
  for await (const { firstLine, lines } of readLines(file)) {
    for (let i = 0; i < lines.length; i++) {
      const line = firstLine + i;
      const [label, ...pairs] = lines[i].replace(/#.*$/, "").trim().split(/\s+/);
      if (label === "") continue;
      const context: Record<string, FeatureAttributes[string]> = {};
      const indices: string[] = [];
      let user = "";
      for (const pair of pairs) {
        const [index, text, ...more] = pair.split(":");
        if (index === "" || text === undefined || more.length > 0) {
          throw new DatasetError(file, line, `found ${shown(pair)}, expected index:value.`);
        }
        if (index === "qid") {
          user = text;
          continue;
        }
        const value = numberAt(text, file, line, `value of index ${index}`);
        context[index] = value;
        if (value !== 0) indices.push(index);
      }
      const value = numberAt(label, file, line, "label");
      chunk.add(user, "", value, 0, { context: { ...context, indices } });
      if (chunk.full) yield chunk.take();
    }
  }
  if (chunk.rows > 0) yield chunk.take();
}
