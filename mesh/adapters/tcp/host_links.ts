/**
 * The connections of one host with the other hosts of its mesh: two with each, one for messages and
 * one for bulk transfers. Of two hosts, the one whose name comes first connects; it tries again, at
 * growing intervals, as long as the process runs, and at once when it is told that the other began.
 *
 * Each connection has a channel for each pair of nodes. A connection that ends closes its channels;
 * the next one opens new ones.
 */
import { invariant, present } from "../../../structures/invariant.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { RandomStream } from "../../ports/random.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { reasonOf } from "../../runtime/errors.ts";
import { Channel, channelNumber } from "./channel.ts";
import { Connection, type ConnectionLimits } from "./connection.ts";
import { MalformedFrameError } from "./encoded_value.ts";
import { accept, connectTo, type Handshaken } from "./handshake.ts";
import { type HostIdentity, NODES_MAX, type Purpose, purposes } from "./host_identity.ts";
import { LinkReport } from "./link_report.ts";
import { LinkWatch, type WatchedLink } from "./link_watch.ts";
import type { HostAddress, Listener, Network, Socket } from "./network.ts";

/** A channel between a node of this host and a node of another one. */
export interface OpenedChannel {
  /** Name of this host's node. */
  readonly node: string;
  /** Name of the other host's node. */
  readonly peer: string;
  readonly purpose: Purpose;
  readonly channel: Channel;
}

export interface HostLinksOptions {
  readonly own: HostIdentity;
  readonly address: HostAddress;
  /** Addresses of the other hosts, by name. */
  readonly peers: ReadonlyMap<string, HostAddress>;
  readonly secrets: readonly string[];
  readonly limits: ConnectionLimits;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: RandomStream;
  readonly telemetry: Telemetry;
  /** Sets the channel's listeners, at once: values may follow. */
  readonly onChannel: (opened: OpenedChannel) => void;
}

/** Another host, as far as this one knows. */
export interface PeerState {
  readonly host: string;
  readonly isLinked: boolean;
  /** Whether it is linked or was since the start. */
  readonly wasLinked: boolean;
  /** Why it is not linked; undefined while it is, and before the first attempt has ended. */
  readonly reason: string | undefined;
}

/** Time for a handshake, ms. */
const HANDSHAKE_MS = 5_000;
/** Time for a TCP connection, ms. */
const CONNECT_MS = 5_000;
/** Handshakes of other hosts at a time; a host makes two. */
const HANDSHAKES_MAX = 256;
/** Delay before the second attempt to connect, ms; it doubles with each failure. */
const BACKOFF_MS = 100;
const BACKOFF_MS_MAX = 5_000;

interface Established extends WatchedLink {
  readonly channels: ReadonlyMap<number, Channel>;
  readonly ended: PromiseWithResolvers<void>;
}

export class HostLinks {
  readonly #options: HostLinksOptions;
  readonly #listener: Listener;
  /** By purpose and host. */
  readonly #established = new Map<string, Established>();
  /** Ends each pause, by the host for which it is; undefined = for the listener. */
  readonly #sleeping = new Map<() => void, string | undefined>();
  /** How often each host has begun, as {@link hostBegan} was told. */
  readonly #begun = new Map<string, number>();
  readonly #report: LinkReport;
  readonly #watch: LinkWatch;
  #handshakes = 0;
  #stopped = false;

  private constructor(options: HostLinksOptions, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
    this.#report = new LinkReport(options.telemetry, options.clock, options.peers.keys());
    this.#watch = new LinkWatch({
      own: options.own.host,
      peers: [...options.peers.keys()],
      clock: options.clock,
      report: this.#report,
      linkOf: (host, purpose) => this.#established.get(keyOf(host, purpose)),
    });
  }

  /**
   * Listens, and begins to connect with the other hosts.
   *
   * @throws {Error} The address cannot be listened on.
   */
  static open(options: HostLinksOptions): HostLinks {
    const { own, address: { hostname, port }, peers, network } = options;
    invariant(own.nodes.length <= NODES_MAX, "a channel's number has room for both nodes");
    let listener: Listener;
    try {
      listener = network.listen({ hostname, port });
    } catch (cause) {
      throw new Error(
        `Host ${own.host} cannot listen on ${hostname}:${port}: ${reasonOf(cause)}. Give it an ` +
          `address of this machine that is free, in mesh.hosts.${own.host}.address.`,
        { cause },
      );
    }
    const links = new HostLinks(options, listener);
    links.#acceptAll();
    for (const host of peers.keys()) {
      if (host > own.host) { for (const purpose of purposes) links.#keepConnected(host, purpose); }
    }
    return links;
  }

  /** The port that it listens on. */
  get port(): number {
    return this.#listener.port;
  }

  /** The other hosts. */
  get peers(): readonly PeerState[] {
    return [...this.#options.peers.keys()].map((host) => {
      const isLinked = this.#established.has(keyOf(host, "messages"));
      const reason = isLinked ? undefined : this.#report.reasonOf(host);
      return { host, isLinked, wasLinked: this.#report.wasLinked(host), reason };
    });
  }

  /** A host has begun to listen: pauses before the next attempt to connect with it end. */
  hostBegan(host: string): void {
    this.#begun.set(host, (this.#begun.get(host) ?? 0) + 1);
    for (const [wake, waitsFor] of this.#sleeping) if (waitsFor === host) wake();
  }

  /** Closes all connections, with a goodbye. Idempotent. */
  async close(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#watch.stop();
    this.#listener.close();
    for (const wake of this.#sleeping.keys()) wake();
    const reason = `host ${this.#options.own.host} stops`;
    await Promise.all([...this.#established].map(async ([key, { connection, ended }]) => {
      this.#detach(key, new Error(reason));
      await connection.close(reason);
      ended.resolve();
    }));
  }

  // ---- connecting

  async #keepConnected(host: string, purpose: Purpose): Promise<void> {
    let failures = 0;
    while (!this.#stopped) {
      const begun = this.#begun.get(host);
      try {
        const established = await this.#connect(host, purpose);
        failures = 0;
        await established.ended.promise;
      } catch (error) {
        if (!this.#stopped) this.#report.notLinked(host, messageOf(error));
      }
      if (this.#stopped) return;
      const hasBegun = () => this.#begun.get(host) !== begun;
      if (!hasBegun()) {
        const delayMs = Math.min(BACKOFF_MS * 2 ** failures++, BACKOFF_MS_MAX);
        await this.#sleep(delayMs * (0.5 + this.#options.random.nextFloat() / 2), host);
      }
      if (hasBegun()) failures = 0;
    }
  }

  async #connect(host: string, purpose: Purpose): Promise<Established> {
    const { hostname, port } = present(this.#options.peers.get(host), "a peer has an address");
    const connecting = this.#options.network.connect({ hostname, port }, CONNECT_MS);
    const stream = await connecting.catch((cause) => {
      throw new Error(`host ${host} does not answer at ${hostname}:${port}: ${reasonOf(cause)}`);
    });
    return await this.#establish(
      stream,
      host,
      (connection) => connectTo(host, purpose, connection.frames, this.#handshakeOptions()),
    );
  }

  // ---- accepting

  async #acceptAll(): Promise<void> {
    while (!this.#stopped) {
      let stream: Socket;
      try {
        stream = await this.#listener.accept();
      } catch (error) {
        if (this.#stopped) return;
        // For example too many open files: the next attempt may succeed.
        this.#options.telemetry.log("warn", "cannot accept a connection of another host", {
          reason: reasonOf(error),
        });
        await this.#sleep(BACKOFF_MS);
        continue;
      }
      if (this.#handshakes >= HANDSHAKES_MAX) stream.close();
      else this.#accept(stream);
    }
  }

  async #accept(stream: Socket): Promise<void> {
    const { from } = stream;
    this.#handshakes++;
    try {
      await this.#establish(
        stream,
        from,
        (connection) => accept(connection.frames, this.#handshakeOptions()),
      );
    } catch (error) {
      const address = from.slice(0, from.lastIndexOf(":"));
      if (!this.#stopped) this.#report.refused(address, messageOf(error));
    } finally {
      this.#handshakes--;
    }
  }

  // ---- both

  #handshakeOptions() {
    const { own, secrets, peers, network } = this.#options;
    return { own, secrets, hosts: [...peers.keys()], nonce: network.nonce };
  }

  async #establish(
    stream: Socket,
    name: string,
    handshake: (connection: Connection) => Promise<Handshaken>,
  ): Promise<Established> {
    const { clock, limits } = this.#options;
    const connection = new Connection(name, stream, clock, limits);
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = clock.schedule(
        HANDSHAKE_MS,
        () => reject(new Error(`${name} has not finished the handshake in ${HANDSHAKE_MS} ms`)),
      );
    });
    late.catch(() => {});
    try {
      const handshaken = await Promise.race([handshake(connection), late]);
      if (this.#stopped) throw new Error("this host stops");
      return this.#attach(connection, handshaken);
    } catch (error) {
      closeStream(stream);
      throw error;
    } finally {
      timer?.cancel();
    }
  }

  #attach(connection: Connection, { peer, purpose }: Handshaken): Established {
    const { own, onChannel } = this.#options;
    const { host } = peer;
    const key = keyOf(host, purpose);
    const old = this.#established.get(key);
    if (old !== undefined) {
      // The peer has restarted, or has noticed the end of the old connection earlier.
      const again = `host ${host} has connected again`;
      this.#detach(key, new Error(again));
      void old.connection.close(again);
      old.ended.resolve();
    }
    const channels = new Map<number, Channel>();
    const ended = Promise.withResolvers<void>();
    const established: Established = { connection, counted: connection.queued, channels, ended };
    this.#established.set(key, established);
    own.nodes.forEach((node, i) =>
      peer.nodes.forEach((peerNode, j) => {
        const channel = new Channel(connection, channelNumber(i, j));
        channels.set(channelNumber(j, i), channel);
        onChannel({ node, peer: peerNode, purpose, channel });
      })
    );
    if (purpose === "messages") {
      this.#report.linked(host, peer.incarnation);
    }
    connection.rename(host);
    connection.begin({
      onValue(number, value) {
        const channel = channels.get(number);
        if (channel === undefined) {
          connection.reject(new MalformedFrameError(`channel ${number} does not exist`));
        } else channel.deliver(value);
      },
      onClosed: (cause) => {
        if (this.#established.get(key) === established) {
          this.#detach(key, cause);
          if (purpose === "messages") {
            this.#report.lost(host, cause.message);
          }
        }
        established.ended.resolve();
      },
    });
    return established;
  }

  #detach(key: string, cause: Error): void {
    const established = this.#established.get(key);
    this.#established.delete(key);
    for (const channel of established?.channels.values() ?? []) channel.end(cause);
  }

  #sleep(delayMs: number, host?: string): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        this.#sleeping.delete(wake);
        resolve();
      };
      const timer = this.#options.clock.schedule(delayMs, wake);
      this.#sleeping.set(wake, host);
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function keyOf(host: string, purpose: Purpose): string {
  return `${purpose} ${host}`;
}

function closeStream(stream: Socket): void {
  try {
    stream.close();
  } catch {
    // It is closed already.
  }
}
