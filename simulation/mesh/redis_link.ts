/**
 * The connection of one process with the simulated Redis server: commands arrive in order after a
 * latency, and an answer may be lost, so that the process does not know whether the command ran.
 */
import type { NodeClock } from "../world/node_clock.ts";
import type { KeyedHash } from "../keyed_hash.ts";
import type { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { Listeners } from "../../mesh/runtime/listeners.ts";
import type { SimulatedRedis } from "./simulated_redis.ts";

/** The server does not answer; whether the command ran is unknown. */
export class RedisAwayError extends Error {
  override readonly name = "RedisAwayError";
}

export interface RedisLinkOptions {
  readonly server: SimulatedRedis;
  /** The machine's clock: a command that was sent runs although its sender has died. */
  readonly base: VirtualClock;
  /** The sender's clock. */
  readonly clock: NodeClock;
  readonly latency: KeyedHash;
  /** Mean latency of a command or an answer, ms. */
  readonly latencyMs: number;
  /** Mean time until a write is durable, ms. */
  readonly syncMs: number;
  /** Further latency at this moment, ms. */
  readonly extraMs: () => number;
  /** Whether nothing passes between the process and the server. */
  readonly isCut: () => boolean;
  /** Whether commands arrive and their answers do not. */
  readonly losesAnswers: () => boolean;
  /** An answer that takes longer counts as lost, ms. */
  readonly deadlineMs: number;
}

/** Time until a closed port is noticed, ms. */
const REFUSED_MS = 1;
/** Pause between two attempts to reach a server that was away, ms. */
const PING_MS = 50;

export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #back = new Listeners<[]>();
  #commands = 0;
  #arrivesMs = 0;
  #answersMs = 0;
  #downSinceMs: number | undefined;
  #failure: RedisAwayError | undefined;
  #isPinging = false;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
  }

  get server(): SimulatedRedis {
    return this.#options.server;
  }

  get clock(): NodeClock {
    return this.#options.clock;
  }

  /** An answer that takes longer counts as lost, ms. */
  get deadlineMs(): number {
    return this.#options.deadlineMs;
  }

  /** Time since the server was last seen to answer, ms; 0 while it does. */
  get downMs(): number {
    return this.#downSinceMs === undefined ? 0 : this.clock.monotonicMs() - this.#downSinceMs;
  }

  /** Why the server cannot be reached; undefined while it can. */
  get failure(): RedisAwayError | undefined {
    return this.#failure;
  }

  /** Calls a listener whenever the server answers again. */
  onBack(listener: () => void): void {
    this.#back.add(listener);
  }

  /** Whether a notice of the server arrives. */
  get isReachable(): boolean {
    const { server, isCut, losesAnswers } = this.#options;
    return server.isUp && !isCut() && !losesAnswers();
  }

  /** A latency of a notice. */
  nextLatencyMs(): number {
    const { latency, latencyMs, extraMs } = this.#options;
    return latency.exponential(this.#commands++) * latencyMs + extraMs();
  }

  /**
   * Runs a command on the server.
   *
   * @param isDurable Whether to wait until its writes are durable.
   * @param waitsMs Time that the command itself may wait, ms.
   * @throws {RedisAwayError} No answer came.
   */
  send<R>(command: () => R | Promise<R>, { isDurable = false, waitsMs = 0 } = {}): Promise<R> {
    const { server, base, clock, isCut, losesAnswers, deadlineMs, syncMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<R>();
    const fail = (why: string) => {
      const failure = new RedisAwayError(why);
      this.#down(failure);
      reject(failure);
    };
    const late = clock.schedule(deadlineMs + waitsMs, () => fail("it does not answer in time"));
    const refused = () =>
      void clock.schedule(REFUSED_MS, () => {
        late.cancel();
        fail("connection refused");
      });
    const run = server.run;
    const answered = (settle: () => void) => {
      if (isCut() || losesAnswers()) return; // noticed by the deadline
      if (!server.isUp || server.run !== run) return refused();
      const answersMs = Math.max(this.#answersMs, base.monotonicMs() + this.nextLatencyMs());
      this.#answersMs = answersMs;
      clock.schedule(answersMs - base.monotonicMs(), () => {
        late.cancel();
        this.#up();
        settle();
      });
    };
    const arrivesMs = Math.max(this.#arrivesMs, base.monotonicMs() + this.nextLatencyMs());
    this.#arrivesMs = arrivesMs;
    base.schedule(arrivesMs - base.monotonicMs(), () => {
      if (isCut()) return;
      if (!server.isUp || server.run !== run) return refused();
      const durableMs = isDurable
        ? this.#options.latency.exponential(this.#commands++) * syncMs
        : 0;
      const settled = (settle: () => void) => {
        if (durableMs === 0) answered(settle);
        else base.schedule(durableMs, () => answered(settle));
      };
      server.commands++;
      try {
        const value = command();
        if (!(value instanceof Promise)) return settled(() => resolve(value));
        value.then(
          (result) => settled(() => resolve(result)),
          (error) => settled(() => reject(error)),
        );
      } catch (error) {
        settled(() => reject(error));
      }
    });
    return promise;
  }

  #down(failure: RedisAwayError): void {
    this.#failure = failure;
    this.#downSinceMs ??= this.clock.monotonicMs();
    if (this.#isPinging) return;
    this.#isPinging = true;
    const ping = () => {
      if (this.#failure === undefined) {
        this.#isPinging = false;
        return;
      }
      if (this.isReachable) this.#up();
      this.clock.schedule(PING_MS, ping);
    };
    this.clock.schedule(PING_MS, ping);
  }

  #up(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#downSinceMs = undefined;
    this.#back.tell();
  }
}
