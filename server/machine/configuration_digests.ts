/**
 * Digests of the sections of a configuration that the hosts of a mesh compare.
 */
import { createHash } from "node:crypto";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { placementSection } from "../../configuration/sections/mesh.ts";
import { withoutDefaults } from "../../configuration/without_defaults.ts";
import { type AgreedSections, HOSTS_SECTION } from "../../mesh/ports/agreed_sections.ts";
import { hasPlacement } from "../layout.ts";

/** The sections in which all hosts must agree. */
export function configurationDigests(configuration: CairnConfiguration): AgreedSections {
  const { compared, embeddingShard, features, featureKeeper, placement, ranker } = configuration;
  const { servedPrecision } = embeddingShard.tables;
  return {
    features: digest(compared.features),
    model: digest(compared.model),
    embeddings: digest(compared.embeddings),
    // Not a part of `embeddings`, which a mesh is created with: a restart of all hosts changes it.
    ...(servedPrecision !== "fp32" && {
      "embeddings.serving.precision": digest(servedPrecision),
    }),
    "joiner.tasks": digest(compared["joiner.tasks"]),
    "kept.shards": digest(featureKeeper?.shards),
    // A ranker gives a keeper values of these slots, and gets these numbers, without their names.
    "kept.features": digest([ranker.keptSlots, features.schema.keptOfItems]),
    // A coordination store has these numbers, whatever the files of the hosts say.
    ...(!hasPlacement(configuration) && {
      "shards.count": digest(configuration.shardCount),
      "trainer.count": digest(configuration.trainerCount),
      "joiner.partitions": digest(configuration.partitions.events),
      "trainer.partitions": digest(configuration.partitions.examples),
      // With a store, hosts tell their threads there.
      placement: digest(withoutDefaults(placementSection, placement)),
    }),
    ...hostDigests(configuration),
  };
}

/**
 * The sections in which hosts that link must agree. Hosts on two Redis servers, each of which has a
 * mesh of its own, would share no part.
 *
 * @param mesh As {@link MeshIdentity.mesh}; undefined where no coordination store has the mesh.
 */
export function linkDigests(
  configuration: CairnConfiguration,
  mesh: string | undefined,
): AgreedSections {
  return {
    ...configurationDigests(configuration),
    ...(mesh !== undefined && { "storage.redis": digest(mesh) }),
  };
}

/**
 * The sections that each host of a mesh with a coordination store may have of its own, while hosts
 * are restarted one after another. The numbers of trainers and partitions are none of them.
 */
export function ownDigests(configuration: CairnConfiguration): Readonly<Record<string, string>> {
  const { compared, placement, servingReplicas, storage, mesh } = configuration;
  return {
    placement: digest(withoutDefaults(placementSection, placement)),
    "model.learningRateSchedule": digest(compared["model.learningRateSchedule"]),
    "embeddings.serving.replicas": digest(servingReplicas),
    joiner: digest(compared.joiner),
    trainer: digest(compared.trainer),
    sync: digest(compared.sync),
    ...(storage.kind === "directory" && { "storage.logBytesMax": digest(storage.logBytesMax) }),
    "mesh.lease": digest(mesh?.leaseMs),
  };
}

/**
 * The knowledge of the mesh's hosts in which two of them must agree. Without a coordination store
 * all of them decide where its parts are. With one, a file may list hosts that another one lacks,
 * so that hosts are restarted one after another with a new file.
 */
function hostDigests(configuration: CairnConfiguration): Record<string, string> {
  const hosts = configuration.mesh?.hosts ?? [];
  return hasPlacement(configuration)
    ? Object.fromEntries(
      hosts.map(({ name, roles }) => [`${HOSTS_SECTION}.${name}`, digest(roles)]),
    )
    : { [HOSTS_SECTION]: digest(hosts.map(({ name, roles }) => [name, roles])) };
}

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value) ?? "undefined").digest("hex").slice(
    0,
    16,
  );
}
