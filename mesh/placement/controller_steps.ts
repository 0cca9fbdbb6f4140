/**
 * The steps of the controller at the coordination store, made from the state that it has read.
 */
import type {
  HostRun,
  MeshView,
  Ownership,
  PlacedKey,
  PlacementChange,
} from "../ports/coordination.ts";
import type { Json } from "../ports/record_store.ts";
import type { ReshardRecord } from "../ports/resharding.ts";
import { present } from "../../structures/invariant.ts";
import { placementOf } from "./mesh_views.ts";

/** One atomic step at the store. */
export type ControllerStep =
  | { readonly kind: "removeHost"; readonly run: HostRun; readonly reason: string }
  | {
    readonly kind: "place";
    readonly changes: readonly PlacementChange[];
    /** Whether the generation is raised, because shards were lost. */
    readonly rewind: boolean;
    readonly reason: string;
  }
  /** Notes that a change of a number of parts is done. */
  | { readonly kind: "endReshard"; readonly change: Pick<ReshardRecord, "parts" | "division"> }
  /** Notes that the operator's plan has ended. */
  | { readonly kind: "writePlan"; readonly edition: number; readonly document: Json };

/** The run of a host of the view. */
export function runOf(view: MeshView, name: string): HostRun {
  const { host, incarnation } = present(view.hosts.get(name), "a plan names hosts of the view");
  return { host, incarnation };
}

/** A change of the placement that the view has. */
export function changeOf(view: MeshView, key: PlacedKey, next: Ownership): PlacementChange {
  return { key, expected: placementOf(view, key), next };
}

/** A shard is copied first; the reader of a partition reads its log again at the new host. */
export function moveOf(view: MeshView, key: PlacedKey, target: HostRun): PlacementChange {
  const placement = placementOf(view, key);
  if (!key.startsWith("shard/") || placement.state !== "active") {
    return changeOf(view, key, { state: "restoring", owner: target });
  }
  const { owner } = placement;
  return changeOf(view, key, { state: "moving", owner, target, phase: "filling" });
}

/** Changes that are made together. @param rewind Whether the generation is raised. */
export function place(
  changes: readonly PlacementChange[],
  reason: string,
  rewind = false,
): ControllerStep {
  return { kind: "place", changes, rewind, reason };
}
