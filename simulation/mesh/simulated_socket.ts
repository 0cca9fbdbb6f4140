/**
 * A simulated TCP connection: two ends, each with the way of its bytes to the other one.
 */
import type { Socket } from "../../mesh/adapters/tcp/network.ts";
import type { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import type { KeyedHash } from "../keyed_hash.ts";
import type { NodeClock } from "../world/node_clock.ts";
import type { Traffic } from "./simulated_network.ts";

/** The way from one host to another, which all their connections share. */
export class Way {
  readonly traffic: Traffic = { writes: 0, bytes: 0 };
  readonly #clock: VirtualClock;
  readonly #latency: KeyedHash;
  readonly #latencyMs: number;
  #drawn = 0;
  #cutUntilMs = 0;
  #slowUntilMs = 0;
  #slowMs = 0;
  #arrivesMs = 0;
  /** Deliveries that wait for the end of a cut, in order. */
  #held: (() => void)[] = [];

  /** @param latencyMs Mean, ms. */
  constructor(clock: VirtualClock, latency: KeyedHash, latencyMs: number) {
    this.#clock = clock;
    this.#latency = latency;
    this.#latencyMs = latencyMs;
  }

  get isCut(): boolean {
    return this.#clock.monotonicMs() < this.#cutUntilMs;
  }

  /** Nothing passes for this long. */
  cut(forMs: number): void {
    this.#cutUntilMs = Math.max(this.#cutUntilMs, this.#clock.monotonicMs() + forMs);
    this.#clock.schedule(forMs, () => this.#release());
  }

  /** Everything takes so much longer. */
  slow(latencyMs: number, forMs: number): void {
    this.#slowMs = latencyMs;
    this.#slowUntilMs = this.#clock.monotonicMs() + forMs;
  }

  heal(): void {
    this.#cutUntilMs = this.#slowUntilMs = 0;
    this.#release();
  }

  nextLatencyMs(): number {
    const extraMs = this.#clock.monotonicMs() < this.#slowUntilMs ? this.#slowMs : 0;
    return this.#latency.exponential(this.#drawn++) * this.#latencyMs + extraMs;
  }

  /** Calls `deliver` when something sent now arrives, after everything sent before. */
  carry(deliver: () => void): void {
    const nowMs = this.#clock.monotonicMs();
    this.#arrivesMs = Math.max(this.#arrivesMs, nowMs + this.nextLatencyMs());
    this.#clock.schedule(this.#arrivesMs - nowMs, () => {
      if (this.isCut || this.#held.length > 0) this.#held.push(deliver);
      else deliver();
    });
  }

  #release(): void {
    if (this.isCut) return;
    const held = this.#held;
    this.#held = [];
    for (const deliver of held) deliver();
  }
}

/** One end of a connection. */
export interface SocketEnd {
  readonly clock: NodeClock;
  /** The way to the other end. */
  readonly way: Way;
  readonly address: string;
}

export class SimulatedSocket implements Socket {
  /** Address of the other end. */
  readonly from: string;
  onEnd: () => void = () => {};
  readonly #end: SocketEnd;
  #peer: SimulatedSocket | undefined;
  #arrived: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  /** Nothing arrives any more, because the other end has closed, or this one. */
  #isOver = false;
  #isClosed = false;

  private constructor(end: SocketEnd, from: string) {
    this.#end = end;
    this.from = from;
  }

  static pair(left: SocketEnd, right: SocketEnd): [SimulatedSocket, SimulatedSocket] {
    const ends: [SimulatedSocket, SimulatedSocket] = [
      new SimulatedSocket(left, right.address),
      new SimulatedSocket(right, left.address),
    ];
    [ends[0].#peer, ends[1].#peer] = [ends[1], ends[0]];
    return ends;
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<number | null> {
    while (this.#arrived.length === 0) {
      if (this.#isClosed) throw new Error("the socket is closed");
      if (this.#isOver) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const [first] = this.#arrived;
    const count = Math.min(first.length, into.length);
    into.set(first.subarray(0, count));
    if (count === first.length) this.#arrived.shift();
    else this.#arrived[0] = first.subarray(count);
    return count;
  }

  write(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.#isClosed || this.#isOver) return Promise.reject(new Error("broken pipe"));
    const { way } = this.#end;
    way.traffic.writes++;
    way.traffic.bytes += bytes.byteLength;
    const sent = bytes.slice();
    const peer = this.#peer;
    way.carry(() => {
      if (peer !== undefined) peer.#arrives(sent);
    });
    return Promise.resolve(bytes.byteLength);
  }

  close(): void {
    if (this.#isClosed) throw new Error("the socket is closed");
    this.abandon(false);
  }

  /** This end is gone; the other one learns of it, unless `isSilent`. */
  abandon(isSilent: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#arrived = [];
    this.#wake?.();
    this.onEnd();
    const peer = this.#peer;
    if (isSilent || peer === undefined) return;
    this.#end.way.carry(() => peer.#ends());
  }

  /** The receiver reads once its thread runs. */
  #arrives(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#end.clock.schedule(0, () => {
      this.#arrived.push(bytes);
      this.#wake?.();
    });
  }

  #ends(): void {
    if (this.#isClosed) return;
    this.#end.clock.schedule(0, () => {
      this.#isOver = true;
      this.#wake?.();
      this.onEnd();
    });
  }
}
