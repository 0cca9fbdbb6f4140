/**
 * The coordination store as one host uses it.
 */
import type { CairnConfiguration, HostOptions } from "../../configuration/configuration.ts";
import { PROTOCOLS } from "../../mesh/adapters/tcp/host_identity.ts";
import type { HostTerms } from "../../mesh/ports/coordination.ts";
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

export function placementEnvironment(
  configuration: CairnConfiguration,
  { name, address, roles, capacityBytes }: HostOptions,
  { random, ...parts }: PlacementParts,
): PlacementEnvironment {
  const { embeddingShard, shardCount } = configuration;
  const mesh = present(configuration.mesh, "hosts belong to a mesh");
  const { leaseMs, balance, movesMax } = mesh;
  const settings = meshSettingsOf(configuration);
  const terms: HostTerms = {
    configuration: configurationDigests(configuration),
    secrets: secretFingerprints(mesh),
    protocols: [PROTOCOLS.min, PROTOCOLS.max],
  };
  return {
    settings: { ...settings, ...terms },
    description: {
      host: name,
      incarnation: random.uuid("host/placement"),
      address: `${address.hostname}:${address.port}`,
      ownSections: ownDigests(configuration),
      roles,
      threads: threadsOf(configuration, name),
      capacityBytes: capacityBytes ?? embeddingShard.tables.bytesMax * shardCount,
      ...terms,
      version: `protocol ${PROTOCOLS.max}`,
    },
    ttlMs: leaseMs,
    controller: { balances: balance, movesMax },
    ...parts,
  };
}
