/**
 * Reports a host's own progress with a placement to the coordination store.
 */
import type { Coordination, HostRun, PlacementChange } from "../mesh/ports/coordination.ts";
import { PlacementConflictError } from "../mesh/ports/coordination_errors.ts";

/** Whether the store has made the change; false where the placement was another one. */
export async function reportPlacement(
  coordination: Coordination,
  by: HostRun,
  change: PlacementChange,
): Promise<boolean> {
  try {
    await coordination.place({ by, changes: [change] });
    return true;
  } catch (error) {
    if (!(error instanceof PlacementConflictError)) throw error;
    return false;
  }
}
