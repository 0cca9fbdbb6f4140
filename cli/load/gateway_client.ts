/**
 * A small client of the HTTP API, as an application would write it: JSON over kept-alive connections, a patient
 * retry where the server says "later", and the server's own words where it says no.
 */
import type { RankRequest } from "../../gateway/schemas/rank.ts";
import type { EventRequest, EventsAnswer } from "../../gateway/schemas/events.ts";
import type { Ranking } from "../../actors/ranker/protocol.ts";
import type { Attributes } from "../../mesh/ports/profile_store.ts";

/** The server said no. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  constructor(readonly status: number, readonly request: string, detail: string) {
    super(`${request} was answered ${status}: ${detail}`);
  }
}

/** Overloaded, not ready, too slow this time: whoever asks again may be served. Events count once all the same. */
const later: readonly number[] = [429, 503, 504];

/** Where the server is, and how patient to be. */
export interface GatewayClientOptions {
  /** Without a path: `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly apiKey?: string;
  /** Answers 429, 503 and 504 are asked again this often, waiting as long as `Retry-After` says, at most. */
  readonly retriesMax: number;
  readonly retryDelayMsMax: number;
}

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

  /** What became of each event. */
  sendEvents(events: readonly EventRequest[]): Promise<EventsAnswer> {
    return this.#send("POST", "/v1/events", events);
  }

  /** Replaces an item's attributes. */
  putItem(id: string, attributes: Attributes): Promise<unknown> {
    return this.#send("PUT", `/v1/items/${encodeURIComponent(id)}`, { attributes });
  }

  /** Replaces a user's attributes. */
  putUser(id: string, attributes: Attributes): Promise<unknown> {
    return this.#send("PUT", `/v1/users/${encodeURIComponent(id)}`, { attributes });
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

  async #send<T>(method: string, path: string, body?: unknown): Promise<T> {
    const text = body === undefined ? null : JSON.stringify(body);
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

/** The readable part of an `application/problem+json` answer. */
function problemText(answer: string): string {
  try {
    const problem = JSON.parse(answer);
    const text = [problem.title, problem.detail].filter((part) => typeof part === "string");
    if (text.length > 0) return text.join(": ");
  } catch { /* not a problem document: shown as it is */ }
  return answer.slice(0, 500);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
