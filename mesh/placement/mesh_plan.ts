/**
 * The plan for everything that is placed: shards, joiners and trainers. Each kind is planned alone;
 * limits count for each kind.
 */
import type { MeshView, PlacedKey, PlacedKind } from "../ports/coordination.ts";
import { hostViews, shardViews } from "./mesh_views.ts";
import { changesOf, type PlacementPlan, type ShardDecision } from "./placement_plan.ts";
import { placementWords } from "./placement_words.ts";
import type { PlannedMove } from "./plan_document.ts";
import { planPlacement } from "./plan_placement.ts";

/** Differences of fullness that are left alone, as the hosts do. */
const SPREAD_MAX = 0.1;

/** The plans by kind, in the order in which moves begin. */
export type MeshPlan = ReadonlyMap<PlacedKind, PlacementPlan>;

/** A decision about a shard, a joiner or a trainer. */
export interface PartDecision {
  readonly key: PlacedKey;
  readonly decision: ShardDecision;
}

/** The plan that evens out the hosts for one kind. */
export function planKind(view: MeshView, kind: PlacedKind, movesMax: number): PlacementPlan {
  const options = { spreadMax: SPREAD_MAX, movesMax };
  return planPlacement(
    hostViews(view, kind),
    shardViews(view, kind),
    options,
    placementWords[kind],
  );
}

/** The plan that evens out the hosts for every kind. */
export function planMesh(view: MeshView, movesMax: number): Map<PlacedKind, PlacementPlan> {
  return new Map(
    (["shard", "events", "trainer"] as const).map((kind) => [
      kind,
      planKind(view, kind, movesMax),
    ]),
  );
}

/** One decision for each part of a mesh, in the order of kinds and numbers. */
export function decisionsOf(plan: MeshPlan): PartDecision[] {
  return [...plan].flatMap(([kind, { shards }]) =>
    shards.map((decision) => ({ key: `${kind}/${decision.shard}` as const, decision }))
  );
}

/** The moves that begin now, for an operator to apply. */
export function movesOf(plan: MeshPlan): PlannedMove[] {
  return [...plan].flatMap(([kind, each]) =>
    changesOf(each).flatMap((change) =>
      change.kind === "moves"
        ? [{ key: `${kind}/${change.shard}` as const, from: change.from, to: change.to }]
        : []
    )
  );
}
