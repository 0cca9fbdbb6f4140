/**
 * Faults of a simulated mesh of several hosts. Like those of one process they are plain data, each
 * with its own time, so that a plan can be shrunk by leaving faults out.
 */
import type { CountedParts } from "../../mesh/ports/resharding.ts";
import type { Episode, Moment } from "./fault.ts";

/** The host's process dies as by `kill -9`; it starts again after a time. */
export interface KillHost extends Moment {
  readonly kind: "killHost";
  readonly host: string;
  /** The machine dies with it: its peers are told nothing, and wait for its silence. */
  readonly power: boolean;
  readonly downMs: number;
}

/**
 * The host that controls the mesh dies when a shard is next frozen for its move, and the target of
 * the move is cut off from Redis for as long.
 */
export interface KillController extends Moment {
  readonly kind: "killController";
  readonly power: boolean;
  readonly downMs: number;
}

/**
 * The host is told to stop, stops in order, and starts again. One that does not run is started.
 */
export interface RestartHost extends Moment {
  readonly kind: "restartHost";
  readonly host: string;
  readonly downMs: number;
  /** Values of the configuration from then on, by path; other hosts read them when they start. */
  readonly configuration: Readonly<Record<string, unknown>>;
}

/** The host's process stands still, as under SIGSTOP; its lease may run out meanwhile. */
export interface PauseHost extends Episode {
  readonly kind: "pauseHost";
  readonly host: string;
}

/** Nothing passes between two hosts. */
export interface CutHosts extends Episode {
  readonly kind: "cutHosts";
  readonly from: string;
  readonly to: string;
  /** Otherwise only bytes from `from` to `to` are held. */
  readonly bothWays: boolean;
}

/** Bytes between two hosts take this much longer, both ways. */
export interface SlowHosts extends Episode {
  readonly kind: "slowHosts";
  readonly from: string;
  readonly to: string;
  readonly latencyMs: number;
}

/** Nothing passes between a host and the Redis server. */
export interface CutRedis extends Episode {
  readonly kind: "cutRedis";
  /** Undefined = the host that controls the mesh then. */
  readonly host?: string;
  /** Commands arrive and are run, and no answer comes back. */
  readonly answersOnly?: true;
}

/** The Redis server is down, and comes back with all that it had. */
export interface StopRedis extends Episode {
  readonly kind: "stopRedis";
}

/** The Redis server takes this much longer, each way. */
export interface SlowRedis extends Episode {
  readonly kind: "slowRedis";
  /** The host for which it does; undefined = all. */
  readonly host?: string;
  readonly latencyMs: number;
}

/** Each put of a blob takes this much longer, so that a process may die in it. */
export interface SlowBlobs extends Episode {
  readonly kind: "slowBlobs";
  readonly latencyMs: number;
}

/**
 * The volume of a host's blobs goes away, and leaves an empty folder at its mount point. The host
 * is not started meanwhile: it would refuse that folder.
 */
export interface UnmountBlobs extends Episode {
  readonly kind: "unmountBlobs";
  readonly host: string;
  /**
   * A copy of the volume takes the place of the empty folder, as where it is restored: the copy is
   * made at the fault's moment, and the volume goes away so much later, ms. Default: no copy.
   */
  readonly copyAgeMs?: number;
}

/**
 * The wall clock of a host, or of the Redis server, steps; it drifts on from there. Durations stay
 * as they are.
 */
export interface StepHostClock extends Moment {
  readonly kind: "stepHostClock";
  /** The host, or {@link REDIS_CLOCK}. */
  readonly host: string;
  /** Lead over the true time afterwards, ms: several steps stay within the bounds of a mesh. */
  readonly toMs: number;
}

/**
 * The Redis server goes back to its state of some time ago: to a replica that lagged, or to an old
 * copy. Then the operator accepts the loss and restarts the hosts.
 */
export interface FailOverRedis extends Moment {
  readonly kind: "failOverRedis";
  /** Age of the state, ms. */
  readonly lostMs: number;
  readonly downMs: number;
  /** The replica has all that a process waited for: the loss needs no operator. */
  readonly isConfirmedKept?: true;
  /** Time before, in which the replica gets nothing and nothing is confirmed, ms; default none. */
  readonly unconfirmedMs?: number;
  /**
   * Time after which the clients come back to the server that they have left, ms: it has never
   * followed the other one, and is away as long as before. Default: they stay.
   */
  readonly awayMs?: number;
  /** Time from the return of the server until the operator acts, ms; default two seconds. */
  readonly noticedMs?: number;
  /**
   * The operator accepts nothing, and restarts the hosts that refuse to write. Where placements or
   * the examples of a snapshot are lost too, the hosts ask for more, and the operator does it.
   */
  readonly restartsOnly?: true;
}

/** Time in which Redis may confirm nothing, ms. */
export function unconfirmedMsOf(
  { unconfirmedMs = 0, downMs, awayMs }: FailOverRedis,
): number {
  return unconfirmedMs + downMs + (awayMs === undefined ? 0 : awayMs + downMs);
}

/**
 * Snapshots are lost, and the operator has the mesh begin from the newest that is left, or without
 * one, while its hosts run: `cairn recover --accept-loss --from-snapshot`.
 */
export interface RecoverMesh extends Moment {
  readonly kind: "recoverMesh";
  /** The newest is lost only where there is one before it. */
  readonly lost: "newest" | "all";
}

/** The host is drained, and undrained afterwards. */
export interface DrainHost extends Episode {
  readonly kind: "drainHost";
  readonly host: string;
  /** The drain outlasts the run: the host is not undrained when the world heals. */
  readonly stays?: true;
}

/** Commands of an operator about plans of moves. */
export const planCommands = ["apply", "cancel", "rollback"] as const;

export type PlanCommand = typeof planCommands[number];

/** The operator makes a command once, after those before it; one that fails is not made again. */
export interface CommandMesh extends Moment {
  readonly kind: "commandMesh";
  readonly command: PlanCommand;
}

/**
 * The operator asks for another number of shards, trainers or partitions, and ends the change if it
 * has not begun.
 */
export interface ReshardMesh extends Moment {
  readonly kind: "reshardMesh";
  readonly parts: CountedParts;
  /** Trainers are at most as many as the partitions of the example log. */
  readonly to: number;
  /** Trainers after a change of `partitions`; undefined = as many as before. */
  readonly trainers?: number;
  /** Time until the operator ends it, ms; undefined = never. */
  readonly cancelMs?: number;
  /** Whether it begins without a snapshot, although a change before is not done; for `trainers`. */
  readonly overrides?: true;
}

/** Any fault of a mesh of several hosts. */
export type MeshFault =
  | KillHost
  | KillController
  | RestartHost
  | PauseHost
  | CutHosts
  | SlowHosts
  | CutRedis
  | StopRedis
  | SlowRedis
  | SlowBlobs
  | UnmountBlobs
  | StepHostClock
  | FailOverRedis
  | RecoverMesh
  | DrainHost
  | CommandMesh
  | ReshardMesh;

/** The fault in words; its time is told elsewhere. */
export function wordsOfMeshFault(fault: MeshFault, seconds: (ms: number) => string): string {
  switch (fault.kind) {
    case "killHost":
      return `${
        fault.power ? "cut the power of" : "kill"
      } host ${fault.host}, start it again after ${seconds(fault.downMs)}`;
    case "killController":
      return `${
        fault.power ? "cut the power of" : "kill"
      } the controller's host at the next freeze and cut the target off from Redis, for ${
        seconds(fault.downMs)
      }`;
    case "restartHost": {
      const paths = Object.keys(fault.configuration);
      const changed = paths.length > 0 ? ` with another ${paths.join(", ")}` : "";
      return `stop host ${fault.host}, start it again after ${seconds(fault.downMs)}${changed}`;
    }
    case "pauseHost":
      return `pause host ${fault.host} for ${seconds(fault.forMs)}`;
    case "cutHosts":
      return `cut ${fault.from} ${fault.bothWays ? "and" : "to"} ${fault.to} for ${
        seconds(fault.forMs)
      }`;
    case "slowHosts":
      return `delay bytes between ${fault.from} and ${fault.to} by ${fault.latencyMs} ms for ${
        seconds(fault.forMs)
      }`;
    case "cutRedis":
      return `${fault.answersOnly ? "lose the answers of Redis to" : "cut off from Redis:"} ${
        fault.host === undefined ? "the controller's host" : `host ${fault.host}`
      }, for ${seconds(fault.forMs)}`;
    case "stopRedis":
      return `stop Redis for ${seconds(fault.forMs)}`;
    case "slowRedis":
      return `delay Redis by ${fault.latencyMs} ms for ${fault.host ?? "all hosts"}, for ${
        seconds(fault.forMs)
      }`;
    case "slowBlobs":
      return `delay each put of a blob by ${fault.latencyMs} ms for ${seconds(fault.forMs)}`;
    case "unmountBlobs":
      return `take the volume of blobs from host ${fault.host} for ${seconds(fault.forMs)}${
        fault.copyAgeMs === undefined ? "" : `, ${seconds(fault.copyAgeMs)} after its copy`
      }`;
    case "stepHostClock":
      return `step the wall clock of ${fault.host} to ${fault.toMs > 0 ? "+" : ""}${
        seconds(fault.toMs)
      } from the true time`;
    case "failOverRedis":
      return `fail Redis over to its state of ${seconds(fault.lostMs)} before, after ${
        seconds(fault.downMs)
      }${fault.isConfirmedKept ? ", with all that was confirmed" : ""}${
        fault.awayMs === undefined
          ? ""
          : `, and back to the old primary ${seconds(fault.awayMs)} later`
      }${
        fault.unconfirmedMs === undefined
          ? ""
          : `, ${seconds(fault.unconfirmedMs)} after its replica was cut off`
      }${fault.restartsOnly ? ", and restart the hosts that refuse to write" : ""}`;
    case "recoverMesh":
      return fault.lost === "all"
        ? "lose all snapshots and begin without one"
        : "lose the newest snapshot and begin from the one before";
    case "drainHost":
      return `drain host ${fault.host}${
        fault.stays ? "" : `, undrain it after ${seconds(fault.forMs)}`
      }`;
    case "commandMesh":
      return `cairn ${fault.command}`;
    case "reshardMesh": {
      const { parts, to, trainers, cancelMs, overrides } = fault;
      const dealt = trainers === undefined ? "" : ` and ${trainers} trainers`;
      const how = overrides ? " without a snapshot" : "";
      const ends = cancelMs === undefined ? "" : `, and give it up after ${seconds(cancelMs)}`;
      return `change the mesh to ${to} ${parts}${dealt}${how}${ends}`;
    }
    default:
      return fault satisfies never;
  }
}
