/**
 * The settings of a mesh in its coordination store.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { MeshSettings } from "../../mesh/ports/coordination.ts";
import { configurationDigests } from "./configuration_digests.ts";

/** The numbers and features with which a mesh is created. */
export function meshSettingsOf(configuration: CairnConfiguration): MeshSettings {
  const { features, model, embeddings } = configurationDigests(configuration);
  return {
    shards: configuration.shardCount,
    eventPartitions: configuration.partitions.events,
    examplePartitions: configuration.partitions.examples,
    trainers: configuration.trainerCount,
    schema: [features, model, embeddings].join("-"),
  };
}
