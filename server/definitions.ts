/**
 * The kinds of actors that the home node hosts, with the stores and sessions that they use.
 */
import { defineCatalogue } from "../actors/catalogue/definition.ts";
import { defineFeatureKeeper } from "../actors/feature_keeper/definition.ts";
import { defineJoiner } from "../actors/joiner/definition.ts";
import { defineParameterSync } from "../actors/parameter_sync/definition.ts";
import { defineRanker } from "../actors/ranker/definition.ts";
import { defineSnapshotter } from "../actors/snapshotter/definition.ts";
import type { SnapshotterDependencies } from "../actors/snapshotter/snapshotter.ts";
import type { Role } from "../configuration/sections/hosts.ts";
import type { AnyDefinition } from "../mesh/runtime/node_actor.ts";
import { present } from "../structures/invariant.ts";
import { computingDefinitions } from "./computing_definitions.ts";
import type { DenseSessions, HostStores, MeshStores } from "./environment.ts";

/** The parts of a process that hear of its snapshots. */
export type SnapshotParts = Pick<SnapshotterDependencies, "publisher" | "onOutcome">;

/**
 * The actors that only the home node hosts: they write the logs, read the profiles and lead the
 * others.
 */
export function leadingDefinitions(stores: MeshStores, snapshots: SnapshotParts): AnyDefinition[] {
  return [
    defineRanker(stores),
    defineCatalogue(stores),
    defineFeatureKeeper(stores),
    defineParameterSync(),
    defineJoiner(stores),
    defineSnapshotter({ ...stores, ...snapshots }),
  ];
}

/** The kinds of actors that a host of a mesh with these roles runs in its home node. */
export function hostDefinitions(
  roles: readonly Role[],
  stores: HostStores,
  dense: DenseSessions,
  snapshots: SnapshotParts,
): AnyDefinition[] {
  const { blobs, exampleLog } = stores;
  const usesLogs = roles.some((role) => role !== "shards");
  return [
    ...computingDefinitions({ blobs, exampleLog, dense }),
    ...(usesLogs ? leadingDefinitions(requireStores(stores), snapshots) : []),
  ];
}

/** All stores; present where a host has another role than shards. */
export function requireStores(stores: HostStores): MeshStores {
  const { eventLog, exampleLog, profiles, blobs, sharedRankings } = stores;
  const promise = "a host that does more than keep shards has all stores";
  return {
    eventLog: present(eventLog, promise),
    exampleLog: present(exampleLog, promise),
    profiles: present(profiles, promise),
    blobs,
    ...(sharedRankings && { sharedRankings }),
  };
}
