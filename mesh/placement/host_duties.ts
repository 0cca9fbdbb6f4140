/**
 * The duties of a host towards shards and partitions, from the mesh's state: a function, so that a
 * host that missed any number of changes does the same as one that saw each of them.
 */
import {
  type HostRun,
  isSameRun,
  type MeshView,
  type MovePhase,
  type PlacedKey,
  type Placement,
} from "../ports/coordination.ts";

/**
 * Time after which a freeze is to end, ms. The owner then asks the store to abort its move: the
 * same compare-and-set as the target's commit, so one of the two takes effect. The bound holds
 * without a controller.
 */
export const FROZEN_MS_MAX = 2_000;

/** The part that a host has in one shard or partition. */
export type HostDuty =
  /** Reads the newest snapshot, or begins to read its partition, then reports that it is active. */
  | { readonly kind: "restore"; readonly placement: Placement }
  /** Applies gradients, or reads its partition. */
  | { readonly kind: "own"; readonly placement: Placement }
  /** Owns the shard and lets the target copy it. */
  | {
    readonly kind: "give";
    readonly placement: Placement;
    readonly target: HostRun;
    readonly phase: MovePhase;
  }
  /** Copies the shard from its owner. */
  | {
    readonly kind: "learn";
    readonly placement: Placement;
    readonly owner: HostRun;
    readonly phase: MovePhase;
  };

/** The duties of one run of a host; keys without a duty are left out. */
export function dutiesOf(view: MeshView, run: HostRun): Map<PlacedKey, HostDuty> {
  const duties = new Map<PlacedKey, HostDuty>();
  for (const [key, placement] of view.placements) {
    const duty = dutyIn(placement, run);
    if (duty !== undefined) duties.set(key, duty);
  }
  return duties;
}

function dutyIn(placement: Placement, run: HostRun): HostDuty | undefined {
  if (placement.state === "unassigned") return undefined;
  const owns = isSameRun(placement.owner, run);
  switch (placement.state) {
    case "restoring":
      return owns ? { kind: "restore", placement } : undefined;
    case "active":
      return owns ? { kind: "own", placement } : undefined;
    case "moving": {
      const { owner, target, phase } = placement;
      if (owns) return { kind: "give", placement, target, phase };
      return isSameRun(target, run) ? { kind: "learn", placement, owner, phase } : undefined;
    }
  }
}

/** Whether two duties for one shard ask for the same step of a host that holds the same. */
export function isSameDuty(a: HostDuty | undefined, b: HostDuty | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.kind !== b.kind || a.placement.epoch !== b.placement.epoch) return false;
  if (a.kind === "give" && b.kind === "give") {
    return a.phase === b.phase && isSameRun(a.target, b.target);
  }
  if (a.kind === "learn" && b.kind === "learn") {
    return a.phase === b.phase && isSameRun(a.owner, b.owner);
  }
  return true;
}

/** The part of a shard that a host holds in memory: never more than one. */
export type Holding =
  /** Rows under an epoch; `givesTo` is the target of a copy that was begun. */
  | {
    readonly kind: "rows";
    readonly epoch: number;
    readonly givesTo: HostRun | undefined;
    /** Time for which the rows have been frozen for a copy, ms; 0 = they are not. */
    readonly frozenForMs: number;
  }
  /** A copy of the rows of an owner of this epoch, being filled or verified. */
  | { readonly kind: "copy"; readonly epoch: number; readonly verified: boolean };

/** The next step of a host towards its duty for one shard. */
export type HostStep =
  | { readonly kind: "nothing" }
  /** Frees the rows or the copy. The next step is decided then. */
  | { readonly kind: "drop" }
  /** Reads the newest snapshot under this epoch. */
  | { readonly kind: "restore"; readonly epoch: number }
  /** Tells the store that the restored rows are there. */
  | { readonly kind: "reportActive"; readonly placement: Placement }
  /** Asks the store to abort the move of this shard, which has been frozen for too long. */
  | { readonly kind: "abortMove"; readonly placement: Placement }
  /** Ends the copy of a move that was aborted: the owner goes on. */
  | { readonly kind: "endGiving" }
  | { readonly kind: "startCopy"; readonly placement: Placement; readonly owner: HostRun }
  /** Asks the store to make this host the owner: its copy is verified. */
  | { readonly kind: "takeOver"; readonly placement: Placement }
  /** Makes the verified copy the rows of the new epoch. */
  | { readonly kind: "promote"; readonly epoch: number }
  /**
   * The store says that this host owns rows that it does not have: the process joins anew, and its
   * shards are restored from the newest snapshot.
   */
  | { readonly kind: "rejoin"; readonly epoch: number };

const nothing: HostStep = { kind: "nothing" };

/**
 * Decides the next step from the duty and the holding alone. The holding may be of any earlier
 * epoch: a host that was paused has missed changes.
 */
export function hostStep(duty: HostDuty | undefined, holding: Holding | undefined): HostStep {
  if (duty === undefined) return holding === undefined ? nothing : { kind: "drop" };
  const { placement } = duty;
  const { epoch } = placement;
  switch (duty.kind) {
    case "restore":
      if (holding?.kind === "rows" && holding.epoch === epoch) {
        return { kind: "reportActive", placement };
      }
      return holding === undefined ? { kind: "restore", epoch } : { kind: "drop" };
    case "own":
    case "give": {
      if (holding?.kind === "rows" && holding.epoch === epoch) {
        const target = duty.kind === "give" ? duty.target : undefined;
        const { givesTo } = holding;
        if (givesTo === undefined) return nothing;
        if (target === undefined || !isSameRun(givesTo, target)) return { kind: "endGiving" };
        return holding.frozenForMs < FROZEN_MS_MAX ? nothing : { kind: "abortMove", placement };
      }
      if (holding?.kind === "copy" && holding.verified && holding.epoch === epoch - 1) {
        return { kind: "promote", epoch };
      }
      return { kind: "rejoin", epoch };
    }
    case "learn":
      if (holding === undefined) return { kind: "startCopy", placement, owner: duty.owner };
      if (holding.kind === "rows" || holding.epoch !== epoch) return { kind: "drop" };
      // Only while the owner says that it is frozen: a copy that was verified for an earlier,
      // aborted move between the same hosts lacks the updates since.
      return holding.verified && duty.phase === "frozen"
        ? { kind: "takeOver", placement }
        : nothing;
  }
}
