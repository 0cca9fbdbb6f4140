/**
 * A client of the HTTP API for tools that put load on a server. It sends each request as it is
 * given, without the ids, batches and queues of `clients/cairn.ts`, and counts its retries, so that
 * a tool measures the server alone.
 */
import { setTimeout as pause } from "node:timers/promises";
import { PROFILES_PER_LIST_MAX } from "../../gateway/options.ts";
import type { ProfilesAnswer } from "../../gateway/schemas/profiles.ts";
import type { RecommendRequest } from "../../gateway/schemas/recommend.ts";
import type { RankRequest } from "../../gateway/schemas/rank.ts";
import type { EventRequest, EventsAnswer } from "../../gateway/schemas/events.ts";
import type { Ranking } from "../../actors/ranker/protocol.ts";
import { CommandError, usageError } from "../errors.ts";
import type { Attributes, ProfileKind } from "../../mesh/ports/profile_store.ts";

/** The server refused a request for good. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  constructor(readonly status: number, readonly request: string, detail: string) {
    super(`${request} was answered ${status}: ${detail}`);
  }
}

/**
 * Statuses of overload, of a server that is not ready, and of a missed deadline: a retry may
 * succeed, and events count once.
 */
const later: readonly number[] = [429, 503, 504];

/** The server's address and the limits of retries. */
export interface GatewayClientOptions {
  /** Without a path: `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly apiKey?: string;
  /**
   * Retries of a request that was answered 429, 503 or 504. The wait before each is at most
   * `Retry-After`.
   */
  readonly retriesMax: number;
  readonly retryDelayMsMax: number;
}

/** A user's or an item's stored attributes. */
export interface ProfileEntry {
  readonly id: string;
  readonly attributes: Attributes;
}

/**
 * Size of one list of profiles in UTF-16 units. At most three times as many bytes, which is within
 * the server's default limit.
 */
const LIST_UNITS_MAX = 256 * 1024;

/** One server's API. */
export class GatewayClient {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #options: GatewayClientOptions;
  /** Requests that were sent again because the server said "later". */
  retries = 0;

  constructor(options: GatewayClientOptions) {
    this.#options = options;
    this.#url = options.url.replace(/\/+$/, "");
    this.#headers = {
      "content-type": "application/json",
      ...(options.apiKey === undefined ? {} : { "x-api-key": options.apiKey }),
    };
  }

  /** Scored and ordered items. */
  rank(request: RankRequest): Promise<Ranking> {
    return this.#send("POST", "/v1/rank", request);
  }

  /** The best items of all stored ones. */
  recommend(request: RecommendRequest): Promise<Ranking> {
    return this.#send("POST", "/v1/recommend", request);
  }

  /** The outcome of each event. */
  sendEvents(events: readonly EventRequest[]): Promise<EventsAnswer> {
    return this.#send("POST", "/v1/events", events);
  }

  /**
   * Replaces the attributes of many, in as many requests as that takes.
   *
   * @param onProgress Called after each request with the profiles stored so far.
   * @throws {GatewayError} When the server rejects one; the profiles before it, and most of the
   * same list, are stored.
   */
  async storeProfiles(
    kind: ProfileKind,
    profiles: readonly ProfileEntry[],
    onProgress: (stored: number) => void = () => {},
  ): Promise<void> {
    const path = `/v1/${kind}s`;
    for (let at = 0; at < profiles.length;) {
      const list = [];
      for (let units = 0; at < profiles.length && list.length < PROFILES_PER_LIST_MAX; at++) {
        const text = JSON.stringify(profiles[at]);
        if (list.length > 0 && units + text.length > LIST_UNITS_MAX) break;
        units += text.length;
        list.push(text);
      }
      const answer = await this.#sendText<ProfilesAnswer>("POST", path, `[${list.join()}]`);
      for (const result of answer.profiles) {
        if (result.status !== "rejected") continue;
        throw new GatewayError(result.problem.status, `POST ${path}`, result.problem.detail);
      }
      onProgress(at);
    }
  }

  /** How far the served model has learned. */
  ready(): Promise<{ readonly modelVersion: number; readonly learnedThroughMs: number }> {
    return this.#send("GET", "/health/ready");
  }

  /** Waits until `/health/ready` says yes, at most `timeoutMs`. */
  async waitUntilReady(timeoutMs: number): Promise<void> {
    const endsAtMs = performance.now() + timeoutMs;
    for (let last = "no answer";; await pause(100)) {
      try {
        const response = await fetch(`${this.#url}/health/ready`, { headers: this.#headers });
        const text = await response.text();
        if (response.ok) return;
        last = `${response.status} ${text}`;
      } catch (error) {
        last = error instanceof Error ? error.message : String(error);
      }
      if (performance.now() > endsAtMs) {
        throw new Error(
          `${this.#url} was not ready within ${timeoutMs} ms; the last answer: ${last}`,
        );
      }
    }
  }

  #send<T>(method: string, path: string, body?: unknown): Promise<T> {
    return this.#sendText(method, path, body === undefined ? null : JSON.stringify(body));
  }

  async #sendText<T>(method: string, path: string, text: string | null): Promise<T> {
    for (let attempt = 0;; attempt++) {
      const response = await fetch(this.#url + path, {
        method,
        headers: this.#headers,
        body: text,
      });
      if (response.ok) return await response.json() as T;
      const answer = await response.text();
      if (!later.includes(response.status) || attempt >= this.#options.retriesMax) {
        throw new GatewayError(response.status, `${method} ${path}`, problemText(answer));
      }
      this.retries++;
      const seconds = Number(response.headers.get("retry-after") ?? 0.1);
      await pause(Math.min(this.#options.retryDelayMsMax, seconds * 1000));
    }
  }
}

/**
 * Requires the address of a server.
 *
 * @throws {CommandError} When it is not one.
 */
export function requireServerUrl(url: string): void {
  if (/^https?:\/\/[^/]/.test(url)) return;
  throw usageError(
    `--url ${url} is not the address of a server; write it as http://localhost:8080.`,
  );
}

/**
 * Fetches a path of a server.
 *
 * @throws {CommandError} When the server cannot be reached.
 */
export async function fetchFrom(url: string, path: string): Promise<Response> {
  try {
    return await fetch(url.replace(/\/+$/, "") + path);
  } catch (cause) {
    throw new CommandError(`Cannot reach a server at ${url}: does it run there?`, 1, cause);
  }
}

/** The readable part of an `application/problem+json` answer. */
function problemText(answer: string): string {
  try {
    const problem = JSON.parse(answer);
    const text = [problem.title, problem.detail].filter((part) => typeof part === "string");
    if (text.length > 0) return text.join(": ");
  } catch { /* not a problem document: shown as it is */ }
  return answer.slice(0, 500);
}
