/**
 * Faults that a simulated world can suffer. Each is plain data with its own time, so that a plan
 * can be written to a file, read again, and shrunk by leaving faults out.
 */

import type { DiskArea } from "../disk/simulated_disk.ts";
import { type MeshFault, wordsOfMeshFault } from "./mesh_fault.ts";

/** A fault that happens at one moment. */
export interface Moment {
  /** Virtual time since the run began, ms. */
  readonly atMs: number;
}

/** A fault that lasts. */
export interface Episode extends Moment {
  readonly forMs: number;
}

/**
 * The process dies as by `kill -9`; unsynced writes may be lost. It starts again over the same
 * disk.
 */
export interface KillProcess extends Moment {
  readonly kind: "killProcess";
  /** The machine loses power: unsynced writes may be lost too. */
  readonly power: boolean;
  /** Until the next start, ms. */
  readonly downMs: number;
}

/**
 * The process is told to stop, stops in order, and starts again, perhaps with another
 * configuration.
 */
export interface RestartProcess extends Moment {
  readonly kind: "restartProcess";
  readonly downMs: number;
  /** Values of the configuration from then on, by path: `{ "shards.count": 3 }`. */
  readonly configuration: Readonly<Record<string, unknown>>;
}

/** The actor's next message throws; its supervisor restarts it. */
export interface CrashActor extends Moment {
  readonly kind: "crashActor";
  readonly actor: string;
}

/** The thread does nothing, as in a long garbage collection; its timers and messages wait. */
export interface StallNode extends Episode {
  readonly kind: "stallNode";
  readonly node: string;
}

/**
 * Something happens while a message is under way: the next one to the actor, of the kind if one is
 * given. Random times seldom hit the moment between two messages that belong together.
 */
export interface Interrupt extends Episode {
  readonly kind: "interrupt";
  /** The actor's thread. */
  readonly node: string;
  readonly actor: string;
  readonly message?: string;
  /**
   * `stall`: the thread stands still from the sending on. `crash`: the actor crashes instead of
   * handling it. `kill`: the process dies when it was handled, and `power`: the machine loses power
   * then; the next start is after `forMs`.
   */
  readonly effect: "stall" | "crash" | "kill" | "power";
}

/** Messages to the node take this much longer. */
export interface SlowLinks extends Episode {
  readonly kind: "slowLinks";
  readonly node: string;
  readonly latencyMs: number;
}

/** A log takes nothing, as with a full disk or, in a mesh, a Redis server without memory. */
export interface RefuseAppends extends Episode {
  readonly kind: "refuseAppends";
  readonly log: "events" | "examples";
}

/** Syncing takes this much longer. */
export interface SlowDisk extends Episode {
  readonly kind: "slowDisk";
  readonly latencyMs: number;
}

/** Blobs cannot be written. */
export interface RefuseBlobs extends Episode {
  readonly kind: "refuseBlobs";
}

/** About every second write to a part of the data directory fails, some of them half done. */
export interface FailWrites extends Episode {
  readonly kind: "failWrites";
  readonly area: DiskArea;
}

/**
 * Syncs of a part of the data directory fail, and the pages that they were to write are lost for
 * good. The operator then restarts the process, as the error asks for.
 */
export interface FailSyncs extends Episode {
  readonly kind: "failSyncs";
  readonly area: DiskArea;
  /** From the restart's begin to its start, ms. */
  readonly downMs: number;
}

/** The next read of a part of the data directory returns a changed bit; the one after does not. */
export interface FlipRead extends Moment {
  readonly kind: "flipRead";
  readonly area: DiskArea;
}

/** The wall clock steps, back where `byMs` is negative. */
export interface StepClock extends Moment {
  readonly kind: "stepClock";
  readonly byMs: number;
}

/** Clients have little patience: they close their connection where an answer takes longer. */
export interface HangUps extends Episode {
  readonly kind: "hangUps";
  /** From the request to the end of its connection, ms. */
  readonly afterMs: number;
}

/** Any fault of a world of one process. */
export type ProcessFault =
  | KillProcess
  | RestartProcess
  | CrashActor
  | StallNode
  | Interrupt
  | SlowLinks
  | RefuseAppends
  | SlowDisk
  | RefuseBlobs
  | FailWrites
  | FailSyncs
  | FlipRead
  | StepClock;

/** Any fault. */
export type Fault = ProcessFault | HangUps | MeshFault;

/** Kinds of faults that are switched on and off together. */
export type FaultFamily =
  | "process"
  | "actors"
  | "threads"
  | "interrupts"
  | "links"
  | "disk"
  | "io"
  | "clock"
  | "clients"
  | "reconfigure"
  | "hosts"
  | "partitions"
  | "redis"
  | "drains"
  | "reshards"
  | "controllers"
  | "commands";

/** All families, in the order in which help texts list them. */
export const faultFamilies: readonly FaultFamily[] = [
  "process",
  "actors",
  "threads",
  "interrupts",
  "links",
  "disk",
  "io",
  "clock",
  "clients",
  "reconfigure",
  "hosts",
  "partitions",
  "redis",
  "drains",
  "reshards",
  "controllers",
  "commands",
];

/** The fault as one line of a report: `4.120s stall trainer-0 for 0.9s`. */
export function describeFault(fault: Fault): string {
  return `${seconds(fault.atMs).padStart(8)} ${wordsOf(fault)}`;
}

function wordsOf(fault: Fault): string {
  switch (fault.kind) {
    case "killProcess":
      return `${fault.power ? "cut the power" : "kill the process"}, start it again after ${
        seconds(fault.downMs)
      }`;
    case "restartProcess": {
      const changes = Object.entries(fault.configuration).map(([path, value]) =>
        `${path}=${JSON.stringify(value)}`
      );
      const changed = changes.length > 0 ? ` with ${changes.join(", ")}` : "";
      return `stop the process, start it again after ${seconds(fault.downMs)}${changed}`;
    }
    case "crashActor":
      return `crash ${fault.actor}`;
    case "stallNode":
      return `stall ${fault.node} for ${seconds(fault.forMs)}`;
    case "interrupt": {
      const message = fault.message ?? "message";
      const effect = fault.effect === "power" ? "cut the power" : fault.effect;
      return `at the next ${message} to ${fault.actor}: ${effect}, for ${seconds(fault.forMs)}`;
    }
    case "slowLinks":
      return `delay messages to ${fault.node} by ${fault.latencyMs} ms for ${seconds(fault.forMs)}`;
    case "refuseAppends":
      return `refuse appends to the log of ${fault.log} for ${seconds(fault.forMs)}`;
    case "slowDisk":
      return `delay syncs by ${fault.latencyMs} ms for ${seconds(fault.forMs)}`;
    case "refuseBlobs":
      return `refuse blobs for ${seconds(fault.forMs)}`;
    case "failWrites":
      return `fail writes of ${fault.area} for ${seconds(fault.forMs)}`;
    case "failSyncs":
      return `fail syncs of ${fault.area} for ${seconds(fault.forMs)}, then restart the process`;
    case "flipRead":
      return `flip a bit of the next read of ${fault.area}`;
    case "stepClock":
      return `step the wall clock by ${fault.byMs > 0 ? "+" : ""}${seconds(fault.byMs)}`;
    case "hangUps":
      return `clients hang up after ${fault.afterMs} ms, for ${seconds(fault.forMs)}`;
    default:
      return wordsOfMeshFault(fault, seconds);
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)}s`;
}
