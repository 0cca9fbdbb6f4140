/**
 * How far a change of the number of shards, trainers or partitions has come, as a function of the
 * mesh's state.
 */
import { counted } from "../../structures/counted.ts";
import type { MeshView } from "./coordination.ts";
import { snapshotFailuresIn } from "./snapshot_failure.ts";

/** Name of the figure with which a serving host reports the sharding that its scorer uses. */
export const SERVED_SHARDING = "served.sharding";
/** Name of the figure with which it reports the earliest sharding of which it has replicas. */
export const HELD_SHARDING = "held.sharding";

/** The steps of a change, in order. */
export type ReshardStep =
  /** The host of the first trainer takes a snapshot. */
  | {
    readonly kind: "snapshotting";
    /** Why its last attempt failed; absent where it did not. */
    readonly failure?: string;
  }
  /** Training stands still: shards are read from the snapshot, or trainers and joiners begin. */
  | {
    readonly kind: "restoring";
    readonly shards: number;
    readonly trainers: number;
    readonly joiners: number;
  }
  /** The new shards learn. These serving hosts still rank by the rows of the old ones. */
  | { readonly kind: "serving"; readonly hosts: readonly string[] }
  | { readonly kind: "done" }
  | { readonly kind: "cancelled" };

/** The step at which the last change is; undefined where there was none. */
export function reshardStep(
  view: Pick<MeshView, "reshard" | "identity" | "placements" | "hosts" | "nowMs">,
): ReshardStep | undefined {
  const { reshard, identity: { sharding } } = view;
  if (reshard === undefined) return undefined;
  if (reshard.state === "asked") {
    const [failure] = snapshotFailuresIn(view).map(({ reason }) => reason);
    return { kind: "snapshotting", ...(failure !== undefined && { failure }) };
  }
  if (reshard.state !== "begun") return { kind: reshard.state };
  const restoring = restoringIn(view);
  // Shards that are restored elsewhere have nothing to do with a change of trainers.
  const shards = reshard.parts === "shards" ? restoring.shards : 0;
  const joiners = reshard.parts === "partitions" ? restoring.joiners : 0;
  const { trainers } = restoring;
  if (shards + trainers + joiners > 0) return { kind: "restoring", shards, trainers, joiners };
  if (reshard.parts !== "shards") return { kind: "done" };
  const hosts = [...view.hosts.values()]
    .filter(({ roles, load }) =>
      roles.includes("serving") && (load[SERVED_SHARDING] ?? -1) < sharding
    )
    .map(({ host }) => host);
  return hosts.length > 0 ? { kind: "serving", hosts } : { kind: "done" };
}

/** The step of a change in words, for operators. */
export function stepText(step: ReshardStep): string {
  switch (step.kind) {
    case "snapshotting":
      return step.failure === undefined
        ? "a snapshot is taken"
        : `a snapshot is taken, and the last attempt has failed: ${step.failure}`;
    case "restoring": {
      const { shards, joiners, trainers } = step;
      const waiting = [
        ...(shards > 0 ? [counted(shards, "shard")] : []),
        ...(joiners > 0 ? [counted(joiners, "joiner")] : []),
        ...(trainers > 0 ? [counted(trainers, "trainer")] : []),
      ];
      const isOne = shards + joiners + trainers === 1;
      return `${waiting.join(" and ")} ${isOne ? "is" : "are"} not ready yet`;
    }
    case "serving":
      return `${step.hosts.join(", ")} still ${
        step.hosts.length > 1 ? "serve" : "serves"
      } the former shards, until the new ones have learned as much`;
    case "done":
    case "cancelled":
      return step.kind;
  }
}

/** Shards that no host has yet, and trainers and joiners that do not read yet. */
export function restoringIn(
  { placements }: Pick<MeshView, "placements">,
): { readonly shards: number; readonly trainers: number; readonly joiners: number } {
  let [shards, trainers, joiners] = [0, 0, 0];
  for (const [key, { state }] of placements) {
    if (state !== "restoring" && state !== "unassigned") continue;
    if (key.startsWith("shard/")) shards++;
    if (key.startsWith("trainer/")) trainers++;
    if (key.startsWith("events/")) joiners++;
  }
  return { shards, trainers, joiners };
}

/**
 * The serving hosts in the mesh that may have replicas of an earlier sharding. One that has told
 * nothing yet may have them.
 */
export function withEarlierReplicas(
  { identity: { sharding }, hosts }: Pick<MeshView, "identity" | "hosts">,
): string[] {
  return [...hosts.values()]
    .filter(({ roles, load }) =>
      roles.includes("serving") && (load[HELD_SHARDING] ?? -1) < sharding
    )
    .map(({ host }) => host);
}
