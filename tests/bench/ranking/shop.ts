/**
 * A shop of a million items: its schema, its profiles on disk, and a table that has a row for every
 * feature.
 *
 * It learns while it ranks, at the rate of a server that has run for a day: the memory for open
 * rankings is small, so that each new ranking closes an old one, of which one negative in ten is
 * trained on. With {@link NO_NEGATIVES} training is paused: rankings are logged, joined and closed
 * all the same, but no example is made of them.
 */
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import { addresses } from "../../../server/addresses.ts";
import type { RunningMesh } from "../../../server/compose.ts";
import {
  type CairnConfiguration,
  parseConfiguration,
} from "../../../configuration/configuration.ts";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../../kernels/features/extractor.ts";
import { DenoClock } from "../../../mesh/adapters/deno/deno_clock.ts";
import { SqliteProfileStore } from "../../../mesh/adapters/embedded/sqlite_profile_store.ts";
import type { Attributes } from "../../../mesh/ports/profile_store.ts";

/** A share of negatives of which the rankings of an hour have none. */
export const NO_NEGATIVES = 1e-12;

/** @param more Further sections, and other values than those of the shop. */
export function shopConfiguration(
  directory: string,
  {
    placement = "{ kind: workers }",
    sections = "",
    tracedShare = 0,
    negativesShare = 0.1,
  } = {},
): CairnConfiguration {
  return parseConfiguration(
    `
features:
  itemCache: 192MiB
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    category: { kind: categorical, source: item }
    brand: { kind: categorical, source: item }
    tags: { kind: list, source: item, pooling: mean }
    price: { kind: numeric, source: item, buckets: { kind: log }, dense: { kind: log } }
    device: { kind: categorical, source: context }
    hour: { kind: time, part: hourOfDay }
    user_category: { kind: cross, of: [user, category] }
joiner: { impressionsBytesMax: 64MiB, negativeSampling: { rate: ${negativesShare} } }
model: { kind: deepFm, embeddingDim: 16, hidden: [128, 64], tasks: [click] }
embeddings: { bytesMax: 4GiB }
storage: { kind: directory, path: ${JSON.stringify(directory)} }
placement: ${placement}
gateway: { port: 0, tracedShare: ${tracedShare} }
${sections}
`,
    "bench.yaml",
  );
}

export function itemAttributes(item: number): Attributes {
  return {
    category: `c${item % 300}`,
    brand: `b${item % 20_011}`,
    tags: [`t${item % 997}`, `t${item % 499}`, `t${item % 251}`],
    price: 1 + item % 500,
  };
}

/** Writes the items' profiles into the data directory of a mesh that does not run yet. */
export async function writeProfiles(directory: string, items: number): Promise<void> {
  Deno.mkdirSync(directory, { recursive: true });
  const profiles = new SqliteProfileStore({
    path: `${directory}/profiles.db`,
    clock: new DenoClock(),
  });
  for (let from = 0; from < items; from += 20_000) {
    const count = Math.min(20_000, items - from);
    await Promise.all(
      Array.from(
        { length: count },
        (_, i) => profiles.put("item", `i${from + i}`, itemAttributes(from + i)),
      ),
    );
  }
  await profiles.close();
}

/**
 * Gives every feature of every item a row in the training shards, and waits until the serving
 * replicas have them.
 */
export async function learnItems(running: RunningMesh, items: number): Promise<void> {
  const { configuration, mesh } = running;
  const extractor = new FeatureExtractor(configuration.features.schema, FeatureHasher.create());
  const kernel = BatchKernel.create();
  const [width] = configuration.servingReplica.widths;
  const { shardCount } = configuration;
  const budget = { budgetMs: 60_000 };
  const shards = await Promise.all(
    Array.from({ length: shardCount }, async (_, shard) => {
      const ref = mesh.actorRef<EmbeddingShardMessage>(addresses.embeddingShard(shard, 0));
      const opening = await ref.ask({ kind: "openSource", source: "fill" }, budget);
      return { ref, opening };
    }),
  );
  let sequence = 0;
  for (let from = 0; from < items; from += 5_000) {
    const { ids } = extractor.extract({
      user: `u${from % 1000}`,
      userAttributes: {},
      context: { device: "phone" },
      atMs: from,
      items: Array.from({ length: Math.min(5_000, items - from) }, (_, i) => ({
        id: `i${from + i}`,
        fields: itemAttributes(from + i),
      })),
    });
    const { uniqueIds, groupStarts, counts } = kernel.unique(ids, shardCount);
    sequence++;
    for (let shard = 0; shard < shardCount; shard++) {
      const [begin, end] = [groupStarts[shard], groupStarts[shard + 1]];
      if (begin === end) continue;
      await shards[shard].ref.ask({
        kind: "applyGradients",
        source: "fill",
        opening: shards[shard].opening,
        sequence,
        ids: uniqueIds.slice(begin, end),
        starts: Uint32Array.of(0, end - begin),
        gradients: new Float32Array((end - begin) * width),
        counts: counts.slice(begin, end),
        atMs: 0,
      }, budget);
    }
  }
  for (let shard = 0; shard < shardCount; shard++) {
    const served = mesh.actorRef<ServingReplicaMessage>(addresses.servingReplica(shard, 0));
    for (;;) {
      const [learned, replica] = await Promise.all([
        shards[shard].ref.ask({ kind: "getStatistics" }, budget),
        served.ask({ kind: "getStatistics" }, budget),
      ]);
      if (replica.rows === learned.rows) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
