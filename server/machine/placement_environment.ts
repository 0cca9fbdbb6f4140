/**
 * The coordination store as one host uses it.
 */
import type { CairnConfiguration, HostOptions } from "../../configuration/configuration.ts";
import { PROTOCOLS } from "../../mesh/adapters/tcp/host_identity.ts";
import { PLAN_FORMAT } from "../../mesh/placement/plan_document.ts";
import type { HostTerms, MeshOpening } from "../../mesh/ports/coordination.ts";
import type { Random } from "../../mesh/ports/random.ts";
import { present } from "../../structures/invariant.ts";
import type { PlacementEnvironment } from "../environment.ts";
import { threadsOf } from "../layout.ts";
import { configurationDigests, ownDigests } from "./configuration_digests.ts";
import { meshSettingsOf } from "./mesh_settings.ts";
import { secretFingerprints } from "./secret_fingerprints.ts";

/** The parts of the environment that a configuration does not say. */
export interface PlacementParts extends Pick<PlacementEnvironment, "open" | "onBegan" | "onGone"> {
  readonly random: Random;
}

/** The settings and terms with which a process of the configuration opens the mesh. */
export function meshOpeningOf(configuration: CairnConfiguration): MeshOpening {
  const terms: HostTerms = {
    configuration: configurationDigests(configuration),
    secrets: secretFingerprints(present(configuration.mesh, "hosts belong to a mesh")),
    protocols: [PROTOCOLS.min, PROTOCOLS.max],
  };
  return { ...meshSettingsOf(configuration), ...terms };
}

export function placementEnvironment(
  configuration: CairnConfiguration,
  { name, address, roles, capacityBytes }: HostOptions,
  { random, ...parts }: PlacementParts,
): PlacementEnvironment {
  const { embeddingShard, shardCount } = configuration;
  const mesh = present(configuration.mesh, "hosts belong to a mesh");
  const { leaseMs, balance, movesMax } = mesh;
  const settings = meshOpeningOf(configuration);
  const { configuration: digests, secrets, protocols } = settings;
  return {
    settings,
    description: {
      host: name,
      incarnation: random.uuid("host/placement"),
      address: `${address.hostname}:${address.port}`,
      ownSections: ownDigests(configuration),
      roles,
      threads: threadsOf(configuration, name),
      capacityBytes: capacityBytes ?? embeddingShard.tables.bytesMax * shardCount,
      configuration: digests,
      secrets,
      protocols,
      version: `protocol ${PROTOCOLS.max}`,
      planFormat: PLAN_FORMAT,
    },
    ttlMs: leaseMs,
    controller: { balances: balance, movesMax },
    ...parts,
  };
}
