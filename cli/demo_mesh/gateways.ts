/**
 * The gateways of a mesh behind a load balancer: one whose connections fail, or whose health page
 * says that it is not ready, is left out until the page says that it is again.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Ranking } from "../../actors/ranker/protocol.ts";
import type { EventRequest, EventsAnswer } from "../../gateway/schemas/events.ts";
import type { RankRequest } from "../../gateway/schemas/rank.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import { Samples } from "../../offline/evaluation/samples.ts";
import { present } from "../../structures/invariant.ts";

interface Gateway {
  readonly host: string;
  readonly url: string;
  isUp: boolean;
  /** Monotonic ms of the last kill; -Infinity before. */
  killedAtMs: number;
}

/** Pause between two looks at the health of a gateway, ms. */
const HEALTH_POLL_MS = 100;
/** Pause before a request is sent again, ms. */
const RETRY_MS = 50;
/** A kill may fail requests that the killed host holds, and new ones, for this long, ms. */
const KILL_MS = 1_000;
/** Statuses below 500 after which the same request may succeed. */
const later: readonly number[] = [408, 429];
/** Time after which a request is given up, ms. */
const GIVE_UP_MS = 60_000;

export class Gateways {
  readonly #gateways: readonly Gateway[];
  /** Latencies of rankings, the attempts that failed included. */
  rankMs = new Samples();
  /** Attempts at a ranking that failed, outside of the second after a kill of that gateway. */
  rankErrors = 0;
  readonly #onRankError: (reason: string) => void;
  #next = 0;
  readonly #closing = new AbortController();
  readonly #watches: Promise<void>;

  /**
   * @param ports HTTP port of each gateway, by host.
   * @param onRankError Takes the reason of each failed attempt that {@link rankErrors} counts.
   */
  constructor(ports: ReadonlyMap<string, number>, onRankError: (reason: string) => void) {
    this.#onRankError = onRankError;
    this.#gateways = [...ports].map(([host, port]) => ({
      host,
      url: `http://127.0.0.1:${port}`,
      isUp: true,
      killedAtMs: -Infinity,
    }));
    this.#watches = Promise.all(this.#gateways.map((each) => this.#watch(each))).then(() => {});
  }

  async rank(request: RankRequest): Promise<Ranking> {
    const beganMs = performance.now();
    const ranking = await this.#send<Ranking>("/v1/rank", request, true);
    this.rankMs.add(performance.now() - beganMs);
    return ranking;
  }

  sendEvents(events: readonly EventRequest[]): Promise<EventsAnswer> {
    return this.#send("/v1/events", events, false);
  }

  /** Stores profiles. */
  store(kind: "user" | "item", profiles: readonly object[]): Promise<unknown> {
    return this.#send(`/v1/${kind}s`, profiles, false);
  }

  /** Notes that the host is killed now. */
  killed(host: string): void {
    const gateway = this.#gateways.find((each) => each.host === host);
    if (gateway !== undefined) gateway.killedAtMs = performance.now();
  }

  /** Whether a gateway gets no requests now; false for other hosts. */
  isLeftOut(host: string): boolean {
    return this.#gateways.some((each) => each.host === host && !each.isUp);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#watches;
  }

  async #send<T>(path: string, body: unknown, isRanking: boolean): Promise<T> {
    const beganMs = performance.now();
    for (;;) {
      const gateway = this.#pick();
      if (gateway === undefined) {
        await pause(RETRY_MS);
      } else {
        try {
          return await post<T>(gateway, path, body);
        } catch (error) {
          if (error instanceof RefusedError) throw error;
          const duringKill = performance.now() - gateway.killedAtMs < KILL_MS;
          if (isRanking && !duringKill) {
            this.rankErrors++;
            this.#onRankError(reasonOf(error));
          }
          if (error instanceof TypeError) gateway.isUp = false; // the connection failed
          await pause(RETRY_MS);
        }
      }
      if (performance.now() - beganMs > GIVE_UP_MS) {
        throw new Error(`No gateway has answered ${path} for ${GIVE_UP_MS} ms.`);
      }
    }
  }

  #pick(): Gateway | undefined {
    const up = this.#gateways.filter(({ isUp }) => isUp);
    return up.length === 0 ? undefined : present(up[this.#next++ % up.length], "one is up");
  }

  /** Looks at the health of a gateway, again and again. */
  async #watch(gateway: Gateway): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      gateway.isUp = await fetch(`${gateway.url}/health/ready`, { signal })
        .then(async (response) => {
          await response.body?.cancel();
          return response.ok;
        }, () => false);
      await pause(HEALTH_POLL_MS, undefined, { signal }).catch(() => {});
    }
  }
}

/** The gateway has refused the request for good. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

async function post<T>(gateway: Gateway, path: string, body: unknown): Promise<T> {
  const response = await fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.ok) return JSON.parse(text) as T;
  const reason = `${gateway.host} answered ${path} with ${response.status}: ${text}`;
  throw response.status < 500 && !later.includes(response.status)
    ? new RefusedError(reason)
    : new Error(reason);
}
