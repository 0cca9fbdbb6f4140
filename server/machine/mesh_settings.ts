/**
 * The settings of a mesh in its coordination store.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { MeshSettings } from "../../mesh/ports/coordination.ts";
import { configurationDigests } from "./configuration_digests.ts";

/** Whether a configuration has a coordination store. */
export function hasCoordination({ mesh, storage }: CairnConfiguration): boolean {
  return mesh !== undefined && storage.kind === "directory" && storage.redis !== undefined;
}

/** The numbers and features with which a mesh is created. Only shards are placed by the store. */
export function meshSettingsOf(configuration: CairnConfiguration): MeshSettings {
  const { features, model, embeddings } = configurationDigests(configuration);
  return {
    shards: configuration.shardCount,
    eventPartitions: 0,
    examplePartitions: 0,
    schema: [features, model, embeddings].join("-"),
  };
}
