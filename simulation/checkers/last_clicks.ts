/**
 * The item that each user clicked last, by the answers of the clients, and whether a ranking that
 * excludes clicked items leaves it out.
 */
import type { Reply } from "../world/client.ts";
import type { Serving } from "./serving.ts";

/** Time for a feature keeper to read the last events, ms. */
const READ_MS_MAX = 10_000;
const PAUSE_MS = 250;
/** Clicks that the history of a user holds. */
const HISTORY = 5;
/**
 * Time within which a keeper may read the records of several partitions in another order than that
 * of their acceptance, ms: it takes those that are there.
 */
const UNORDERED_MS = 2_000;
/** Longer than a run, s. */
const WITHIN_S = 86_400;

export class LastClicks {
  readonly #itemOf = new Map<string, string>();
  readonly #userOf = new Map<string, string>();
  /** Rankings that were answered before the log had them. */
  readonly #unlogged = new Set<string>();
  readonly #eventIds = new Set<string>();
  /** Times of the newest clicks of each user, ms. */
  readonly #clickedMs = new Map<string, number[]>();
  readonly #nowMs: () => number;
  #hasEnded = false;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Ends the promise for this run. A fail-over of Redis loses clicks, some of which are answered
   * afterwards, and a keeper that knew lost records begins anew with those that were not trimmed.
   */
  end(): void {
    this.#hasEnded = true;
  }

  /** Takes an answer that a client got. Clients send an event again until it is answered. */
  take({ method, path, status, requestBody, body }: Reply): void {
    if (method === "DELETE" && path.startsWith("/v1/users/")) {
      this.#itemOf.delete(path.slice("/v1/users/".length).split("?")[0]);
    }
    if (status === 0 || status >= 300 || method !== "POST") return;
    if (path === "/v1/rank" || path === "/v1/recommend") {
      const { rankingId, unlogged } = body as { rankingId: string; unlogged?: boolean };
      const { user, learn } = requestBody as { user: string; learn?: boolean };
      if (learn === false) return; // the log never has it
      this.#userOf.set(rankingId, user);
      if (unlogged === true) this.#unlogged.add(rankingId);
    }
    if (path !== "/v1/events") return;
    const { events } = body as {
      readonly events: readonly { readonly status: string; readonly unlogged?: true }[];
    };
    const event = requestBody as {
      readonly eventId: string;
      readonly rankingId?: string;
      readonly user?: string;
      readonly item: string;
      readonly action: string;
    };
    if (this.#eventIds.has(event.eventId)) return;
    this.#eventIds.add(event.eventId);
    const user = event.user ?? this.#userOf.get(event.rankingId ?? "");
    if (event.action !== "click" || user === undefined) return;
    // A keeper does not know the user of a click that names a ranking and is in the log before it.
    const isUnlogged = event.rankingId !== undefined &&
      (this.#unlogged.has(event.rankingId) || events.some(({ unlogged }) => unlogged));
    if (isUnlogged || this.#isCrowded(user)) this.#itemOf.delete(user);
    else if (events.some(({ status }) => status === "accepted" || status === "duplicate")) {
      this.#itemOf.set(user, event.item);
    }
  }

  /**
   * Notes a click, and tells whether so many came just before that the history of a keeper which
   * reads some of them later is without it.
   */
  #isCrowded(user: string): boolean {
    const nowMs = this.#nowMs();
    const before = (this.#clickedMs.get(user) ?? []).filter((ms) => nowMs - ms < UNORDERED_MS);
    this.#clickedMs.set(user, [...before, nowMs]);
    return before.length >= HISTORY;
  }

  /**
   * The first item that a ranking shows although its user clicked it last, or that no ranking
   * answers for, in words.
   */
  async firstShown({ mesh }: Serving): Promise<string | undefined> {
    if (this.#hasEnded) return undefined;
    const { clock } = mesh.mesh.home;
    const endsMs = clock.monotonicMs() + READ_MS_MAX;
    for (const [user, item] of this.#itemOf) {
      const problem = async () => {
        const response = await mesh.fetch(
          new Request("http://simulated/v1/rank", {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({
              user,
              candidates: [{ id: item }, { id: "other" }],
              learn: false,
              scenario: "plain",
              rules: { exclude: [{ what: "click", withinSeconds: WITHIN_S }] },
            }),
          }),
        );
        const body = await response.json() as { items: { id: string }[] };
        if (response.status !== 200) return `is answered ${response.status}`;
        return body.items.some(({ id }) => id === item) ? "shows it" : undefined;
      };
      for (;;) {
        const found = await problem();
        if (found === undefined) break;
        if (clock.monotonicMs() >= endsMs) {
          return `${user} clicked ${item} last, and a ranking that excludes clicks ${found}`;
        }
        await new Promise<void>((resolve) => void clock.schedule(PAUSE_MS, resolve));
      }
    }
    return undefined;
  }
}
