/**
 * The network between the hosts of a simulated mesh. Sockets behave as TCP does: bytes arrive in
 * order and once, or the connection breaks. While a way is cut, its bytes wait, as unacknowledged
 * segments do; they arrive after the cut, or never where the connection was given up meanwhile.
 */
import type { HostAddress, Listener, Network, Socket } from "../../mesh/adapters/tcp/network.ts";
import type { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { KeyedHash } from "../keyed_hash.ts";
import type { NodeClock } from "../world/node_clock.ts";
import { SimulatedSocket, Way } from "./simulated_socket.ts";

export interface SimulatedNetworkOptions {
  readonly seed: number;
  readonly clock: VirtualClock;
  /** Mean latency between two hosts, ms. */
  readonly latencyMs: number;
}

/** The process of a host that uses the network. */
export interface NetworkUser {
  readonly host: string;
  /** From 0; another one for each process of the host. */
  readonly incarnation: number;
  readonly clock: NodeClock;
}

/** Messages and bytes that crossed the network. */
export interface Traffic {
  writes: number;
  bytes: number;
}

interface Listening {
  readonly user: NetworkUser;
  readonly waiting: Socket[];
  readonly accepts: PromiseWithResolvers<Socket>[];
}

/** Time until the listener has a connection that was made, ms. */
const ACCEPT_MS = 1;

export class SimulatedNetwork {
  readonly #options: SimulatedNetworkOptions;
  /** By address. */
  readonly #listening = new Map<string, Listening>();
  /** The host that has listened on an address. */
  readonly #names = new Map<string, string>();
  readonly #sockets = new Map<string, Set<SimulatedSocket>>();
  readonly #ways = new Map<string, Way>();
  readonly #nonces: KeyedHash;
  #noncesDrawn = 0;

  constructor(options: SimulatedNetworkOptions) {
    this.#options = options;
    this.#nonces = new KeyedHash(options.seed, "nonces");
  }

  /** The way from one host to another. */
  way(from: string, to: string): Way {
    const key = `${from}>${to}`;
    let way = this.#ways.get(key);
    if (way === undefined) {
      const { seed, clock, latencyMs } = this.#options;
      way = new Way(clock, new KeyedHash(seed, `way/${key}`), latencyMs);
      this.#ways.set(key, way);
    }
    return way;
  }

  /** Bytes that a host has sent and received, over all ways. */
  trafficOf(host: string): { readonly sent: Traffic; readonly received: Traffic } {
    const sent = { writes: 0, bytes: 0 };
    const received = { writes: 0, bytes: 0 };
    for (const [key, { traffic }] of this.#ways) {
      const [from, to] = key.split(">");
      if (from === host) add(sent, traffic);
      if (to === host) add(received, traffic);
    }
    return { sent, received };
  }

  /** Ends all faults. */
  heal(): void {
    for (const way of this.#ways.values()) way.heal();
  }

  /** The network as one process sees it. */
  for(user: NetworkUser): Network {
    return {
      listen: (address) => this.#listen(user, address),
      connect: (address, timeoutMs) => this.#connect(user, address, timeoutMs),
      nonce: (bytes) => this.#nonce(bytes),
    };
  }

  /**
   * The process has died.
   *
   * @param isSilent The machine has died too: the others are told nothing.
   */
  died({ host }: NetworkUser, isSilent: boolean): void {
    for (const [address, { user }] of this.#listening) {
      if (user.host === host) this.#listening.delete(address);
    }
    for (const socket of this.#sockets.get(host) ?? []) socket.abandon(isSilent);
    this.#sockets.delete(host);
  }

  #listen(user: NetworkUser, { hostname, port }: HostAddress): Listener {
    const address = `${hostname}:${port}`;
    if (this.#listening.has(address)) throw new Error(`${address} is in use`);
    const listening: Listening = { user, waiting: [], accepts: [] };
    this.#listening.set(address, listening);
    this.#names.set(address, user.host);
    return {
      port,
      accept() {
        const waiting = listening.waiting.shift();
        if (waiting !== undefined) return Promise.resolve(waiting);
        const accept = Promise.withResolvers<Socket>();
        listening.accepts.push(accept);
        return accept.promise;
      },
      close: () => {
        if (this.#listening.get(address) === listening) this.#listening.delete(address);
        for (const { reject } of listening.accepts) reject(new Error("the listener is closed"));
      },
    };
  }

  #connect(user: NetworkUser, { hostname, port }: HostAddress, timeoutMs: number): Promise<Socket> {
    const { clock } = this.#options;
    const address = `${hostname}:${port}`;
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    const late = user.clock.schedule(
      timeoutMs,
      () => reject(new Error("the connection timed out")),
    );
    const begins = this.way(user.host, this.#names.get(address) ?? address);
    clock.schedule(begins.nextLatencyMs(), () => {
      const listening = this.#listening.get(address);
      const peer = listening?.user.host ?? this.#names.get(address) ?? address;
      const there = this.way(user.host, peer);
      const back = this.way(peer, user.host);
      if (there.isCut || back.isCut) return; // the attempt ends by its time
      user.clock.schedule(back.nextLatencyMs(), () => {
        late.cancel();
        if (listening === undefined || listening !== this.#listening.get(address)) {
          reject(new Error("connection refused"));
          return;
        }
        const [left, right] = SimulatedSocket.pair(
          { ...user, way: there, address: `${user.host}:0` },
          { ...listening.user, way: back, address },
        );
        this.#keep(user.host, left);
        this.#keep(listening.user.host, right);
        listening.user.clock.schedule(ACCEPT_MS, () => {
          const accept = listening.accepts.shift();
          if (accept === undefined) listening.waiting.push(right);
          else accept.resolve(right);
        });
        resolve(left);
      });
    });
    return promise;
  }

  #keep(host: string, socket: SimulatedSocket): void {
    const sockets = this.#sockets.get(host) ?? new Set();
    this.#sockets.set(host, sockets.add(socket));
    socket.onEnd = () => void sockets.delete(socket);
  }

  #nonce(bytes: number): string {
    const all = Uint8Array.from({ length: bytes }, () => this.#nonces.uint32(this.#noncesDrawn++));
    return all.toHex();
  }
}

function add(sum: Traffic, { writes, bytes }: Traffic): void {
  sum.writes += writes;
  sum.bytes += bytes;
}
