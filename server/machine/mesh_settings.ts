/**
 * The settings of a mesh in its coordination store.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { MeshSettings } from "../../mesh/ports/coordination.ts";

/** The numbers with which a mesh is created. */
export function meshSettingsOf(configuration: CairnConfiguration): MeshSettings {
  return {
    shards: configuration.shardCount,
    eventPartitions: configuration.partitions.events,
    examplePartitions: configuration.partitions.examples,
    trainers: configuration.trainerCount,
  };
}
