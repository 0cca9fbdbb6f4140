/**
 * The ports and bounds of a node.
 */
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Tracing } from "../ports/tracing.ts";
import type { ActorFailure } from "./actor_statistics.ts";
import type { TurnQueue } from "./turn_scheduler.ts";

export interface NodeOptions {
  /** Unique in the mesh, e.g. `main` or `worker-1`. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Messages handled before the event loop gets its turn. Default 1024. */
  readonly turnMessagesMax?: number;
  /** Order in which actors get their turns. Default: first come, first served. */
  readonly turnQueue?: TurnQueue;
  /**
   * Copies messages between actors of this node as a link would: tests then find shared or moved
   * buffers. Default false.
   */
  readonly copyMessages?: boolean;
  /** Takes the spans of sampled requests. Default: they are not recorded. */
  readonly tracing?: Tracing;
  /** Called when an actor has used up its restarts, after that is logged. */
  readonly onFailure?: (failure: ActorFailure) => void;
}
