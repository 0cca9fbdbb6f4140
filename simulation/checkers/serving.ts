/**
 * The processes that answer requests, as checkers reach them.
 */
import type { RunningMesh } from "../../server/compose.ts";

/** A process that serves. */
export interface Serving {
  readonly mesh: RunningMesh;
  /** Name of the process in a mesh; undefined = there are no other processes. */
  readonly host?: string;
}
