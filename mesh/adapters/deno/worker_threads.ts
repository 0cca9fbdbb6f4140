/**
 * Starts worker threads, a node in each, and links every pair of nodes.
 *
 * Each pair of threads has a message port of its own, so that a trainer in one worker and a shard
 * in another talk without passing through the main thread.
 */
import { present } from "../../../structures/invariant.ts";
import type { Address } from "../../runtime/actor.ts";
import type { ActorFailure } from "../../runtime/actor_statistics.ts";
import type { Node } from "../../runtime/node.ts";
import { NodeLink } from "../../runtime/node_link.ts";
import type { BegunThreads } from "./begun_threads.ts";
import { PortLink } from "./port_link.ts";
import type { BeginWorker, LinkPeer, PeerGone, WorkerReport } from "./worker_messages.ts";

export interface WorkerThreadsOptions {
  /** The node of this thread. */
  readonly home: Node;
  /** Names of the workers to start. */
  readonly names: readonly string[];
  /** The workers that leave a busy core to the other threads. Default: none. */
  readonly background?: readonly string[];
  /** The module that calls `runWorkerThread`. */
  readonly entry: URL;
  /** Threads of this module that load it already, used for the names that they have. */
  readonly begun?: BegunThreads | undefined;
  readonly placement: readonly (readonly [Address, string])[];
  /** Plain data from which the entry module makes its actors. */
  readonly setup: unknown;
  /** A worker's thread has crashed: its actors are gone. */
  readonly onCrashed: (name: string, cause: Error) => void;
  /** An actor in a worker has used up its restarts. */
  readonly onFailure: (failure: ActorFailure) => void;
}

/** A link of a worker with a node of another host. */
export interface RemoteLink extends Omit<LinkPeer, "type"> {
  /** Name of the worker. */
  readonly worker: string;
}

export interface WorkerThreads {
  /** Gives a worker a link with a node of another host. */
  link(remote: RemoteLink): void;
  /** Ends the threads. Stop their actors first. */
  close(): void;
}

/**
 * Starts worker threads and links all of them with each other and with the home node.
 *
 * @throws {Error} When a worker's entry module fails to load or to compose; the others are ended.
 */
export async function startWorkerThreads(options: WorkerThreadsOptions): Promise<WorkerThreads> {
  const { home, names } = options;
  const { homeLinks, wiring } = wire(home, names);
  const workers = new Map<string, Worker>();
  let closed = false;
  const close = () => {
    closed = true;
    for (const worker of workers.values()) worker.terminate();
  };
  const crashed = (name: string, cause: Error) => {
    homeLinks.get(name)?.fail(cause);
    const gone: PeerGone = { type: "peerGone", name, reason: cause.message };
    for (const [other, sibling] of workers) if (other !== name) sibling.postMessage(gone);
    options.onCrashed(name, cause);
  };
  const begun = names.map((name) =>
    new Promise<void>((resolve, reject) => {
      const worker = options.begun?.take(name) ??
        new Worker(options.entry, { type: "module", name });
      workers.set(name, worker);
      worker.onerror = (event) => {
        event.preventDefault();
        const cause = new Error(`worker ${name} crashed: ${event.message}`);
        reject(cause);
        if (!closed) crashed(name, cause);
      };
      worker.onmessage = (event) => {
        const report = event.data as WorkerReport;
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
      const { peers, ports } = present(wiring.get(name), "each worker is wired");
      const begin: BeginWorker = {
        type: "begin",
        name,
        background: options.background?.includes(name) ?? false,
        peers,
        ports,
        placement: options.placement,
        setup: options.setup,
      };
      worker.postMessage(begin, ports);
    })
  );
  try {
    await Promise.all(begun);
  } catch (error) {
    close();
    throw error;
  }
  return {
    link({ worker, peer, isBulk, port, limits }) {
      const message: LinkPeer = { type: "linkPeer", peer, isBulk, port, limits };
      present(workers.get(worker), "a link belongs to a worker").postMessage(message, [port]);
    },
    close,
  };
}

/** The ports of one worker and the nodes behind them, in the same order. */
interface Wiring {
  readonly peers: string[];
  readonly ports: MessagePort[];
}

/** A port for each pair of nodes; the home node's ends are linked at once. */
function wire(home: Node, names: readonly string[]): {
  readonly homeLinks: ReadonlyMap<string, PortLink>;
  readonly wiring: ReadonlyMap<string, Wiring>;
} {
  const homeLinks = new Map<string, PortLink>();
  const all = names.map((name): Wiring & { readonly name: string } => ({
    name,
    peers: [],
    ports: [],
  }));
  const connect = (wiring: Wiring, peer: string, port: MessagePort) => {
    wiring.peers.push(peer);
    wiring.ports.push(port);
  };
  all.forEach((own, i) => {
    const toHome = new MessageChannel();
    const link = new PortLink(toHome.port1);
    homeLinks.set(own.name, link);
    new NodeLink(home, own.name, link);
    connect(own, home.name, toHome.port2);
    for (const other of all.slice(i + 1)) {
      const between = new MessageChannel();
      connect(own, other.name, between.port1);
      connect(other, own.name, between.port2);
    }
  });
  return { homeLinks, wiring: new Map(all.map((own) => [own.name, own])) };
}
