/**
 * The processes that answer requests, as checkers reach them.
 */
import type { RunningMesh } from "../../server/compose.ts";

/** A process that serves. */
export interface Serving {
  readonly mesh: RunningMesh;
  /** Undefined = the only process. */
  readonly host?: string;
}
