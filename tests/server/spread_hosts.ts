/**
 * A configuration of several serving hosts, `edge-1` and so on, some of which hold each shard.
 */
import { type CairnConfiguration, parseConfiguration } from "../../configuration/configuration.ts";
import { smallConfiguration } from "../integration/small_mesh.ts";

/** @param replicas As in `embeddings.serving.replicas`. */
export function spreadConfiguration(
  replicas: string,
  edges: number,
  shards = 4,
): CairnConfiguration {
  const small = smallConfiguration(
    "in one thread",
    '{ kind: directory, path: data, redis: { url: "redis://localhost:1" } }',
  )
    .replace("serving: { ", `serving: { replicas: ${replicas}, `)
    .replace("shards: { count: 4 }", `shards: { count: ${shards} }`);
  const serving = Array.from(
    { length: edges },
    (_, i) => `    edge-${i + 1}: { address: "127.0.0.1:741${i}", roles: [serving] }\n`,
  );
  return parseConfiguration(
    `${small}
mesh:
  id: shop
  hosts:
${serving.join("")}    tables: { address: "127.0.0.1:7402", roles: [shards, joiner, trainer] }
`,
    "mesh.yaml",
  );
}
