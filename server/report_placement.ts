/**
 * Reports a host's own progress with a placement to the coordination store.
 */
import type {
  Coordination,
  HostRun,
  Placement,
  PlacementChange,
} from "../mesh/ports/coordination.ts";
import { PlacementConflictError } from "../mesh/ports/coordination_errors.ts";

/** The placement that the store has made; undefined where it was another one than expected. */
export async function reportPlacement(
  coordination: Coordination,
  by: HostRun,
  change: PlacementChange,
): Promise<Placement | undefined> {
  try {
    return (await coordination.place({ by, changes: [change] })).get(change.key);
  } catch (error) {
    if (!(error instanceof PlacementConflictError)) throw error;
    return undefined;
  }
}
