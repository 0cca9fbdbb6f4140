/**
 * Digests of the sections of a configuration in which all hosts of a mesh must agree, because their
 * actors exchange the data that these sections describe.
 */
import { createHash } from "node:crypto";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { hasPlacement } from "../layout.ts";

/** By the names that an operator knows from the file. */
export function configurationDigests(
  configuration: CairnConfiguration,
): Readonly<Record<string, string>> {
  const { features, model, session, embeddingShard, servingReplica, joiner, mesh } = configuration;
  const { featureKeeper, ranker } = configuration;
  const { bytesMax: _, servedPrecision, ...tables } = embeddingShard.tables;
  return {
    features: digest(features.schema),
    model: digest([model, session.optimizer, session.seed]),
    embeddings: digest([tables, servingReplica.widths]),
    // Not a part of `embeddings`, which a mesh is created with: a restart of all hosts changes it.
    ...(servedPrecision !== "fp32" && {
      "embeddings.serving.precision": digest(servedPrecision),
    }),
    ...(configuration.servingReplicas !== "all" && {
      "embeddings.serving.replicas": digest(configuration.servingReplicas),
    }),
    "joiner.tasks": digest(joiner.tasks),
    "kept.shards": digest(featureKeeper?.shards),
    // A ranker gives a keeper the values of these slots, without their names.
    "kept.features": digest(ranker.keptSlots),
    // A coordination store has these numbers, whatever the files of the hosts say.
    ...(!hasPlacement(configuration) && {
      "shards.count": digest(configuration.shardCount),
      "trainer.count": digest(configuration.trainerCount),
      "joiner.partitions": digest(configuration.partitions.events),
      "trainer.partitions": digest(configuration.partitions.examples),
    }),
    placement: digest(configuration.placement),
    "mesh.hosts": digest(mesh?.hosts.map(({ name, roles }) => [name, roles])),
  };
}

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value) ?? "undefined").digest("hex").slice(
    0,
    16,
  );
}
