/**
 * Worker threads as places for actors: the starting thread's side, and what runs inside the worker.
 *
 * Every pair of threads gets a port of its own, so that a trainer in one worker and a shard in another talk without
 * passing through the main thread.
 */
import type { Address } from "../../runtime/actor.ts";
import type { ActorFailure } from "../../runtime/actor_statistics.ts";
import { Node } from "../../runtime/node.ts";
import { defineNodeActor, type NodeComposition } from "../../runtime/node_actor.ts";
import { NodeLink } from "../../runtime/node_link.ts";
import { reasonOf } from "../../runtime/errors.ts";
import type { LogLevel, Telemetry } from "../../ports/telemetry.ts";
import { DenoClock } from "./deno_clock.ts";
import { DenoRandom } from "./deno_random.ts";
import { PortLink } from "./port_link.ts";
import { yieldToOtherThreads } from "../linux/thread_priority.ts";

/** The first message to a worker. */
interface Begin {
  readonly type: "begin";
  readonly name: string;
  readonly yields: boolean;
  readonly peers: readonly string[];
  readonly ports: readonly MessagePort[];
  readonly placement: readonly (readonly [Address, string])[];
  /** The composition's own, plain data. */
  readonly setup: unknown;
}

/** A later message: a sibling's thread has crashed, so what was asked of it fails now. */
interface PeerGone {
  readonly type: "peerGone";
  readonly name: string;
  readonly reason: string;
}

/** What a worker tells the thread that started it, beside the links. */
type Report =
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

export interface WorkerPlacesOptions {
  /** The node of this thread. */
  readonly home: Node;
  /** Names of the workers to start. */
  readonly names: readonly string[];
  /** Those of them that leave a busy core to the other threads. Default: none. */
  readonly yielding?: readonly string[];
  /** The module that calls {@link runWorkerPlace}. */
  readonly entry: URL;
  readonly placement: readonly (readonly [Address, string])[];
  /** Plain data for the entry's composition. */
  readonly setup: unknown;
  /** A worker's thread ended by itself: its actors are gone. */
  readonly onCrashed: (name: string, cause: Error) => void;
  /** An actor in a worker has used up its restarts. */
  readonly onFailure: (failure: ActorFailure) => void;
}

export interface WorkerPlaces {
  /** Ends the threads; stop their actors first. */
  close(): void;
}

/**
 * Starts worker threads and links all of them with each other and with the home node.
 *
 * @throws {Error} When a worker's entry module fails to load or to compose; the others are ended.
 */
export async function startWorkerPlaces(options: WorkerPlacesOptions): Promise<WorkerPlaces> {
  const { home, names } = options;
  const ports = new Map<string, { peers: string[]; ports: MessagePort[] }>(
    names.map((name) => [name, { peers: [], ports: [] }]),
  );
  const homeLinks = new Map<string, PortLink>();
  names.forEach((name, i) => {
    const toHome = new MessageChannel();
    ports.get(name)!.peers.push(home.name);
    ports.get(name)!.ports.push(toHome.port2);
    const link = new PortLink(toHome.port1);
    homeLinks.set(name, link);
    new NodeLink(home, name, link);
    for (const other of names.slice(i + 1)) {
      const between = new MessageChannel();
      ports.get(name)!.peers.push(other);
      ports.get(name)!.ports.push(between.port1);
      ports.get(other)!.peers.push(name);
      ports.get(other)!.ports.push(between.port2);
    }
  });

  const workers = new Map<string, Worker>();
  let closed = false;
  const close = () => {
    closed = true;
    for (const worker of workers.values()) worker.terminate();
  };
  const begun = names.map((name) =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(options.entry, { type: "module", name });
      workers.set(name, worker);
      worker.onerror = (event) => {
        event.preventDefault();
        const cause = new Error(`worker ${name} crashed: ${event.message}`);
        reject(cause);
        if (closed) return;
        homeLinks.get(name)!.fail(cause);
        const gone: PeerGone = { type: "peerGone", name, reason: cause.message };
        for (const [other, sibling] of workers) if (other !== name) sibling.postMessage(gone);
        options.onCrashed(name, cause);
      };
      worker.onmessage = (event) => {
        const report = event.data as Report;
        switch (report.type) {
          case "ready":
            return resolve();
          case "failed":
            return reject(new Error(`worker ${name} cannot start: ${report.reason}`));
          case "log":
            return home.telemetry.log(report.level, report.message, report.fields);
          case "failure":
            return options.onFailure({ ...report.failure, error: new Error(report.failure.error) });
          default:
            report satisfies never;
        }
      };
      const own = ports.get(name)!;
      const begin: Begin = {
        type: "begin",
        name,
        yields: options.yielding?.includes(name) ?? false,
        peers: own.peers,
        ports: own.ports,
        placement: options.placement,
        setup: options.setup,
      };
      worker.postMessage(begin, own.ports);
    })
  );
  try {
    await Promise.all(begun);
  } catch (error) {
    await Promise.allSettled(begun.map((one) => Promise.race([one, Promise.reject(error)])));
    close();
    throw error;
  }
  return { close };
}

/** What a worker's composition gets to begin with. */
export interface WorkerPlace<S> {
  readonly node: Node;
  readonly setup: S;
}

export interface WorkerComposition<S> {
  /** This thread's instruments; log lines go to the starting thread through `log`. */
  telemetry(log: Telemetry["log"]): Telemetry;
  /** Opens this thread's resources and says what may live here. */
  compose(place: WorkerPlace<S>): Promise<NodeComposition> | NodeComposition;
}

/** The body of a worker entry: waits for its orders, builds the node, links it, composes, and reports. */
export function runWorkerPlace<S>({ telemetry, compose }: WorkerComposition<S>): void {
  const scope = self as unknown as {
    onmessage: ((event: MessageEvent) => void) | null;
    postMessage(report: Report): void;
  };
  const links = new Map<string, PortLink>();
  scope.onmessage = async (event) => {
    const begin = event.data as Begin | PeerGone;
    if (begin.type === "peerGone") {
      links.get(begin.name)?.fail(new Error(begin.reason));
      return;
    }
    try {
      if (begin.yields) yieldToOtherThreads();
      const node = new Node({
        name: begin.name,
        clock: new DenoClock(),
        random: new DenoRandom(),
        telemetry: telemetry((level, message, fields = {}) =>
          scope.postMessage({ type: "log", level, message, fields: plain(fields) })
        ),
        onFailure: ({ address, node, restarts, error }) =>
          scope.postMessage({
            type: "failure",
            failure: { address, node, restarts, error: reasonOf(error) },
          }),
      });
      begin.peers.forEach((peer, i) => {
        const link = new PortLink(begin.ports[i]);
        links.set(peer, link);
        new NodeLink(node, peer, link);
      });
      node.place(begin.placement);
      const composition = await compose({ node, setup: begin.setup as S });
      await node.spawn(defineNodeActor(node, composition), begin.name, undefined);
      scope.postMessage({ type: "ready" });
    } catch (error) {
      scope.postMessage({ type: "failed", reason: reasonOf(error) });
    }
  };
}

/** Log fields that survive the trip. */
function plain(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, plainValue(value)]),
  );
}

function plainValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainValue);
  return typeof value === "object" && value !== null ? String(value) : value;
}
