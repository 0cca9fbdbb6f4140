/**
 * A mesh without clients and faults comes to rest, and stays there.
 *
 *     t = the moment at which nothing is pending any more (mesh_liveness.ts)
 *     ∀ changes of a placement:  it is not after t
 *     t + REST_MS, and at most LOOKS · LOOK_MS later:  nothing is pending again
 *     then, ∀ parts:  the owner is a living process, and has the actors of the part
 *     then, ∀ hosts:  it has the serving replicas that its configuration gives to it
 *     then, ∀ other actors of a host:  they are of no shard, partition or replica
 *
 * So no log has records that its readers have not read, no plan is carried out, and no host has a
 * copy of a part that another one owns. An erasure may go on meanwhile: its records come to the
 * logs, and are in the next snapshot.
 */
import { divisionsOf, withDivisions } from "../../configuration/sharding.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { isLive } from "../../mesh/placement/mesh_views.ts";
import type { MeshView, PlacedKey } from "../../mesh/ports/coordination.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import { followersOf, placedAddress, placedKinds } from "../../server/addresses.ts";
import { present } from "../../structures/invariant.ts";
import type { CheckerFactory } from "./checker.ts";

/** Two leases, in each of which every host looks at the store, ms. */
const REST_MS = 6_000;
/** Looks at the pending work after the rest, until a snapshot has it, and the pause between, ms. */
const LOOKS = 80;
const LOOK_MS = 250;
/** Kinds of actors that hold rows, and that the store does not place. */
const unplacedKinds: ReadonlySet<string> = new Set(["shard_copy", "serving_replica"]);

/** The actors of a host. */
export interface HostAtRest {
  readonly actors: readonly Address[];
  /** The serving replicas that it is to have. */
  readonly replicas: readonly Address[];
}

export interface QuietMeshParts {
  readonly configuration: () => CairnConfiguration;
  /** All that the store has. */
  readonly now: () => MeshView | undefined;
  /** The hosts that have started. */
  readonly hosts: () => ReadonlyMap<string, HostAtRest>;
  /** The work that is pending, in words. */
  readonly pending: () => Promise<string | undefined>;
  readonly sleep: (ms: number) => Promise<void>;
}

export function quietMesh(parts: QuietMeshParts): CheckerFactory {
  return (context) => {
    let isAtRest = false;
    return {
      name: "quiet-mesh",
      placed(key, before, after) {
        if (!isAtRest) return;
        context.fail(`${key} changes from ${before?.state} to ${after.state} in a mesh at rest`);
      },
      async atEnd() {
        isAtRest = true;
        await parts.sleep(REST_MS);
        let pending = await parts.pending();
        for (let looks = 1; looks < LOOKS && pending !== undefined; looks++) {
          await parts.sleep(LOOK_MS);
          pending = await parts.pending();
        }
        const problem = pending ?? problemOf(present(parts.now(), "the mesh is open"), parts);
        if (problem !== undefined) context.fail(`after ${REST_MS} ms of rest, ${problem}`);
      },
    };
  };
}

/** The first part without a living owner or its actors, or actor that is on another host. */
function problemOf(view: MeshView, parts: QuietMeshParts): string | undefined {
  const configuration = withDivisions(parts.configuration(), divisionsOf(view.identity));
  const hosts = parts.hosts();
  /** The actors of each host that are of no part looked at yet. */
  const left = new Map(
    [...hosts].map(([host, { actors }]) => [host, new Set(actors.filter(isOfPart))]),
  );
  for (const [key, placement] of view.placements) {
    if (placement.state === "unassigned") return `${key} has no owner`;
    const { owner } = placement;
    const { host } = owner;
    const isHere = isLive(view, owner) && (view.hosts.get(host)?.expiresMs ?? 0) > view.nowMs;
    if (!isHere) return `${key} is on ${host}, which is gone`;
    for (const actor of actorsOf(key, configuration)) {
      if (!left.get(host)?.delete(actor)) return `${host} owns ${key} and lacks ${actor}`;
    }
  }
  for (const [host, others] of left) {
    for (const replica of hosts.get(host)?.replicas ?? []) {
      if (!others.delete(replica)) return `${host} lacks ${replica}`;
    }
    const [other] = others;
    if (other !== undefined) return `${host} has ${other}, which belongs to no part of it`;
  }
  return undefined;
}

function actorsOf(key: PlacedKey, configuration: CairnConfiguration): Address[] {
  return [placedAddress(key, configuration.sharding), ...followersOf(key, configuration)];
}

function isOfPart(actor: Address): boolean {
  const kind = actor.slice(0, actor.indexOf("/"));
  return unplacedKinds.has(kind) || placedKinds.has(kind);
}
