/**
 * Messages between a worker thread and the thread that started it. The actors' own messages travel
 * over the links.
 */
import type { LogLevel } from "../../ports/telemetry.ts";
import type { Address } from "../../runtime/actor.ts";
import type { RelayLimits } from "../tcp/relayed_link.ts";
import type { ActorFailure } from "../../runtime/actor_statistics.ts";

/** The first message to a worker. */
export interface BeginWorker {
  readonly type: "begin";
  readonly name: string;
  /** The thread leaves a busy core to foreground threads. */
  readonly background: boolean;
  /** Names of the nodes that the worker is linked with. */
  readonly peers: readonly string[];
  /** The link's port for each of the peers. */
  readonly ports: readonly MessagePort[];
  readonly placement: readonly (readonly [Address, string])[];
  /** Plain data for the worker's composition. */
  readonly setup: unknown;
}

/** The thread of another worker has crashed: asks that were sent there fail now. */
export interface PeerGone {
  readonly type: "peerGone";
  readonly name: string;
  readonly reason: string;
}

/** A node of another host can be reached: the thread of the socket relays, see relay.ts. */
export interface LinkPeer {
  readonly type: "linkPeer";
  /** Name of the other host's node. */
  readonly peer: string;
  readonly isBulk: boolean;
  readonly port: MessagePort;
  readonly limits: RelayLimits;
}

/** A message to a worker. */
export type WorkerCommand = BeginWorker | PeerGone | LinkPeer;

/** A message from a worker. */
export type WorkerReport =
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly reason: string }
  | {
    readonly type: "log";
    readonly level: LogLevel;
    readonly message: string;
    readonly fields: Record<string, unknown>;
  }
  | {
    readonly type: "failure";
    readonly failure: Omit<ActorFailure, "error"> & { readonly error: string };
  };
