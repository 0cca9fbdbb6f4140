/**
 * Client of Cairn's HTTP API in one file without imports, for Deno, Node 20 or later, and browsers.
 * It is one file, and longer than others, so that it can be copied into an application.
 *
 * ```ts ignore
 * import { Cairn } from "./cairn.ts";
 *
 * const cairn = new Cairn({ url: "http://localhost:8080" });
 * const ranking = await cairn.rank({ user: "ann", candidates: [{ id: "heat" }, { id: "up" }] });
 * cairn.track({ rankingId: ranking.rankingId, item: "up", action: "click" });
 * await cairn.close();
 * ```
 *
 * Retries are safe: an event has an id and counts once, and a ranking has an id and is logged once.
 */

/** The value of an attribute. */
export type AttributeValue = string | number | boolean | null | readonly string[];

/** Attributes by name. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** Time: ms since the Unix epoch, or an ISO 8601 time with its zone. */
export type Timestamp = number | string;

/** Rules over the scored items of a ranking; docs/rules.md explains them. */
export interface Rules {
  filter?: string;
  boost?: readonly { when: string; factor: number }[];
  exclude?: readonly { what: string; withinSeconds: number }[];
  rotation?: { withinSeconds: number; penalty: number };
  diversity?:
    | { kind: "cap"; by: string; max: number; top?: number }
    | { kind: "mmr"; lambda: number; top?: number };
  newItems?: { when: string; share: number; top?: number };
  pin?: readonly { item: string; position: number }[];
}

/** Body of `POST /v1/rank`. */
export interface RankRequest {
  user: string;
  candidates: readonly { id: string; fields?: Attributes }[];
  context?: Attributes;
  userFields?: Attributes;
  timestamp?: Timestamp;
  limit?: number;
  explain?: boolean;
  learn?: boolean;
  awaitShown?: boolean;
  shown?: readonly string[];
  rules?: Rules;
  scenario?: string;
  rankingId?: string;
}

/** A source of candidates; items of `new` come by a rule about new items. */
export type CandidateSource = "model" | "recent" | "popular" | "trending" | "history";

interface SearchRequest {
  limit?: number;
  candidates?: number;
  context?: Attributes;
  userFields?: Attributes;
  timestamp?: Timestamp;
  rules?: Rules;
  scenario?: string;
  learn?: boolean;
  awaitShown?: boolean;
  explain?: boolean;
  rankingId?: string;
}

/** Body of `POST /v1/recommend`. */
export interface RecommendRequest extends SearchRequest {
  user: string;
  sources?: readonly CandidateSource[];
}

/** Body of `POST /v1/similar`. */
export interface SimilarRequest extends SearchRequest {
  item: string;
  user?: string;
  orderBy?: "similarity" | "score";
}

/** An item of a ranking. */
export interface RankedItem {
  id: string;
  score: number;
  predictions?: Record<string, number>;
  cold: boolean;
  sources?: (CandidateSource | "new")[];
  similarity?: number;
  explanation?: { slot: string; contribution: number }[];
  moves?: {
    rule: "boost" | "rotation" | "diversity" | "newItems" | "pin";
    from: number;
    to: number;
    boosts?: string[];
  }[];
}

/** Answer to `rank`, `recommend` and `similar`. */
export interface Ranking {
  rankingId: string;
  modelVersion: number;
  learnedThroughMs: number;
  items: RankedItem[];
  removed?: { id: string; by: "exclude" | "filter" }[];
  /** The event log was away: nothing is learned from the ranking or from events on it. */
  unlogged?: true;
  note?: string;
}

/** An action of a user. It names its ranking, or its user if no ranking caused it. */
export interface CairnEvent {
  /** Absent = the client draws a UUID. */
  eventId?: string;
  rankingId?: string;
  user?: string;
  item: string;
  action: string;
  value?: number;
  timestamp?: Timestamp;
}

/** Body of `POST /v1/shown`: items of a ranking that were shown, from the first position on. */
export interface ShownReport {
  rankingId: string;
  items: readonly string[];
  timestamp?: Timestamp;
}

/** Answer to a report of shown items. */
export interface ShownAnswer {
  rankingId: string;
  items: number;
  note?: string;
}

/** RFC 9457 problem details. */
export interface Problem {
  [member: string]: unknown;
  type: string;
  title: string;
  status: number;
  detail: string;
  errors?: { pointer: string; detail: string }[];
  retryAfterSeconds?: number;
  traceId?: string;
}

/** Result of one event. */
export type EventResult =
  | {
    eventId: string;
    status: "accepted" | "duplicate";
    acceptedAtMs: number;
    rankingId?: string;
    /** The event log does not have its ranking: nothing is learned from the event. */
    unlogged?: true;
    note?: string;
  }
  | { eventId?: string; status: "rejected"; problem: Problem };

/** Results of events, in the order in which they were sent. */
export interface EventsAnswer {
  accepted: number;
  duplicates: number;
  rejected: number;
  events: EventResult[];
}

/** Attributes to store. */
export interface ProfileEntry {
  id: string;
  attributes: Attributes;
}

/** Stored attributes of an item or a user. */
export interface Profile {
  id: string;
  attributes: Attributes;
  version: number;
  updatedAtMs: number;
}

/** A written profile. */
export interface StoredProfile extends Profile {
  note?: string;
}

/** A page of stored profiles. */
export interface ProfilePage {
  count: number;
  profiles: Profile[];
  next?: string;
}

/** Result of one profile of a list. */
export type ProfileResult =
  | { id: string; status: "stored"; version: number; updatedAtMs: number }
  | { id?: string; status: "rejected"; problem: Problem };

/** Results of a list of profiles, in its order. */
export interface ProfilesAnswer {
  stored: number;
  rejected: number;
  profiles: ProfileResult[];
  note?: string;
}

/** The receipt of an erasure. */
export interface Erasure {
  erasureId: string;
  /**
   * `erasing`: parts still drop the user. `expiring`: no part knows the user, and old records and
   * snapshots wait to be deleted. `erased`: nothing holds the user.
   */
  status: "erasing" | "expiring" | "erased";
  /** Wall times, ms. */
  requestedAtMs: number;
  /** Time by which the status is `erased`. */
  byMs: number;
  completedAtMs?: number;
  profile: { status: "erased" | "waiting"; removed: boolean };
  gateway: { status: "erased" | "waiting"; rankingsForgotten: number };
  /** Absent where the server keeps no features. */
  keptFeatures?: "erased" | "waiting";
  trainers: {
    trainer: string;
    status: "erased" | "waiting";
    /** Rows of the user's id; absent where a replay found them removed. */
    rowsRemoved?: number;
    crosses: {
      slot: string;
      combinations: number;
      rowsRemoved: number;
      outcome: "complete" | "rows-may-stay" | "too-many";
    }[];
    /** Deleted rows of the quarantine. */
    quarantined: number;
  }[];
  serving: "erased" | "waiting";
  /** Logs and snapshots that still hold something; without `untilMs` a snapshot is pinned. */
  holds: {
    kind: "eventLog" | "exampleLog" | "snapshot";
    partition?: number;
    name?: string;
    untilMs?: number;
  }[];
}

/** Kinds of problems: the last part of {@link Problem.type}. */
export type ProblemKind =
  | "malformed-json"
  | "malformed-request"
  | "unauthorized"
  | "unknown-path"
  | "unknown-item"
  | "unknown-user"
  | "unknown-erasure"
  | "ranking-not-kept"
  | "recommend-off"
  | "method-not-allowed"
  | "body-timeout"
  | "ranking-exists"
  | "event-conflict"
  | "body-too-large"
  | "unsupported-media-type"
  | "invalid-request"
  | "timestamp-ahead"
  | "unknown-ranking"
  | "item-not-shown"
  | "no-event-accepted"
  | "no-profile-stored"
  | "overloaded"
  | "internal-error"
  | "not-ready"
  | "unavailable"
  | "log-full"
  | "deadline-exceeded";

/** The server answered with a problem that a retry does not change, or retries were used up. */
export class CairnProblemError extends Error {
  override readonly name = "CairnProblemError";
  /** The problem's kind; `unknown` for an answer that is no problem document, as of a proxy. */
  readonly kind: ProblemKind | "unknown";
  readonly status: number;
  readonly problem: Problem;
  /** Requests that were sent. */
  readonly attempts: number;

  constructor(request: string, problem: Problem, attempts: number) {
    const { status, title = "", detail = "" } = problem;
    const said = detail.startsWith(title) ? [detail] : [title, detail];
    const after = attempts > 1 ? ` after ${attempts} attempts` : "";
    super([`${request} was answered ${status}${after}`, ...said].filter(Boolean).join(": "));
    const [, kind] = /\/problems\/([a-z-]+)$/.exec(problem.type) ?? [];
    this.kind = (kind ?? "unknown") as ProblemKind | "unknown";
    this.status = problem.status;
    this.problem = problem;
    this.attempts = attempts;
  }
}

/** No answer came: the server cannot be reached, or every attempt took longer than `timeoutMs`. */
export class CairnUnreachableError extends Error {
  override readonly name = "CairnUnreachableError";
  /** Requests that were sent. */
  readonly attempts: number;

  constructor(request: string, attempts: number, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const tried = attempts > 1 ? ` in ${attempts} attempts` : "";
    super(`${request} got no answer${tried}: ${reason}`, { cause });
    this.attempts = attempts;
  }
}

/** The queue of tracked events is full, or the client is closed; the event was not taken. */
export class CairnQueueError extends Error {
  override readonly name = "CairnQueueError";
}

/** Tracked events that were not accepted. */
export interface LostEvents {
  readonly events: readonly CairnEvent[];
  readonly error: CairnProblemError | CairnUnreachableError;
}

/** The server's address and the limits of batches and retries. */
export interface CairnOptions {
  /** As `http://localhost:8080`; in a browser also a path of the page's origin, or "" for its root. */
  url: string;
  /** One of `gateway.apiKeys`. Keep it out of browsers. */
  apiKey?: string;
  /** Longest wait for one answer, ms. Default 10,000. */
  timeoutMs?: number;
  /** Retries of one request. Default 5. */
  retriesMax?: number;
  /**
   * Retries of a batch of tracked events. Default 10: about a minute and a half, in which a server
   * can restart.
   */
  trackRetriesMax?: number;
  /** Upper bound of the first wait before a retry, ms; it doubles with each. Default 100. */
  backoffMs?: number;
  /**
   * Longest wait before a retry, ms. A server that asks for a longer one by Retry-After is not
   * asked again. Default 30,000.
   */
  backoffMsMax?: number;
  /** A tracked event is sent after this time at the latest, ms. Default 1,000. */
  flushMs?: number;
  /** Events of one request, at most 1,000. Default 200. A full batch is sent at once. */
  batchEventsMax?: number;
  /** Size of one request, UTF-16 units. Default 262,144. */
  batchUnitsMax?: number;
  /** Tracked events that are not sent yet; above it, `track` throws. Default 10,000. */
  queueEventsMax?: number;
  /** Called with tracked events that were not accepted. Default: the error goes to the console. */
  onLost?: (lost: LostEvents) => void;
  /** Replaces the global `fetch`. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

const defaults = {
  timeoutMs: 10_000,
  retriesMax: 5,
  trackRetriesMax: 10,
  backoffMs: 100,
  backoffMsMax: 30_000,
  flushMs: 1_000,
  batchEventsMax: 200,
  batchUnitsMax: 262_144,
  queueEventsMax: 10_000,
};

/** Statuses after which the same request may succeed. */
const statusesToRetry: readonly number[] = [408, 429, 502, 503, 504];

/** Profiles of one list. */
const PROFILES_PER_LIST_MAX = 1000;

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

interface Call {
  readonly method: Method;
  readonly path: string;
  /** JSON text. */
  readonly body?: string;
  /** Default: `retriesMax` of the options. */
  readonly retriesMax?: number;
  /** Maps an answer with a problem to a value; undefined = it is an error. */
  readonly accept?: (problem: Problem, hasUnknownOutcome: boolean) => unknown;
}

/** Sends requests until they are answered for good. */
class Sender {
  readonly options: CairnOptions & typeof defaults;

  constructor(options: CairnOptions) {
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    if (!/^(https?:\/\/|\/|$)/i.test(options.url)) {
      throw new TypeError(`Cairn: url is "${options.url}"; begin it with http:// or https://`);
    }
    this.options = { ...defaults, ...Object.fromEntries(given) } as CairnOptions & typeof defaults;
  }

  /**
   * @throws {CairnProblemError}
   * @throws {CairnUnreachableError}
   */
  async send<T>(call: Call): Promise<T> {
    const { backoffMs, backoffMsMax } = this.options;
    const retriesMax = call.retriesMax ?? this.options.retriesMax;
    const name = `${call.method} ${call.path}`;
    // Whether the server may have acted on an earlier attempt whose answer did not arrive.
    let hasUnknownOutcome = false;
    for (let attempt = 1;; attempt++) {
      let error: CairnProblemError | CairnUnreachableError;
      let retryAfterMs = 0;
      try {
        const response = await this.#fetch(call);
        const text = await response.text();
        if (response.ok) return (text === "" ? undefined : JSON.parse(text)) as T;
        const problem = problemOf(response, text);
        const accepted = call.accept?.(problem, hasUnknownOutcome);
        if (accepted !== undefined) return accepted as T;
        error = new CairnProblemError(name, problem, attempt);
        if (!statusesToRetry.includes(response.status)) throw error;
        hasUnknownOutcome ||= response.status === 502 || response.status === 504;
        retryAfterMs = retryAfterMsOf(response);
      } catch (cause) {
        if (cause instanceof CairnProblemError) throw cause;
        error = new CairnUnreachableError(name, attempt, cause);
        hasUnknownOutcome = true;
      }
      if (attempt > retriesMax || retryAfterMs > backoffMsMax) throw error;
      const bound = Math.min(backoffMsMax, backoffMs * 2 ** (attempt - 1));
      // Clients that were refused together do not come back together.
      const backoff = bound * (0.5 + Math.random() / 2);
      await pause(Math.min(backoffMsMax, retryAfterMs + backoff));
    }
  }

  #fetch({ method, path, body }: Call): Promise<Response> {
    const { url, apiKey, timeoutMs, fetch = globalThis.fetch } = this.options;
    return fetch(url.replace(/\/+$/, "") + path, {
      method,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      },
      ...(body !== undefined && { body }),
      signal: AbortSignal.timeout(timeoutMs),
    });
  }
}

/** A server of Cairn. */
export class Cairn {
  readonly items: Profiles;
  readonly users: Users;
  readonly #sender: Sender;
  readonly #queue: EventQueue;

  constructor(options: CairnOptions) {
    this.#sender = new Sender(options);
    this.#queue = new EventQueue(this.#sender);
    this.items = new Profiles(this.#sender, "item");
    this.users = new Users(this.#sender);
  }

  /** Orders candidates for a user. */
  rank(request: RankRequest): Promise<Ranking> {
    return this.#rank("/v1/rank", request);
  }

  /** Finds stored items for a user and ranks them. */
  recommend(request: RecommendRequest): Promise<Ranking> {
    return this.#rank("/v1/recommend", request);
  }

  /** Finds stored items that are similar to an item. */
  similar(request: SimilarRequest): Promise<Ranking> {
    return this.#rank("/v1/similar", request);
  }

  /** Reports items of a ranking that were shown; reports of a ranking add up. */
  shown(report: ShownReport): Promise<ShownAnswer> {
    const body = JSON.stringify(report);
    return this.#sender.send<ShownAnswer>({ method: "POST", path: "/v1/shown", body });
  }

  /**
   * Sends an event with the next batch, and returns at once. An event that is not accepted goes to
   * `onLost`.
   *
   * @returns The event's id.
   * @throws {CairnQueueError} The queue is full, or the client is closed.
   */
  track(event: CairnEvent): string {
    return this.#queue.add(event);
  }

  /**
   * Sends events now and waits for their results, one per event, rejected ones included. To send
   * them again after an error, give each an `eventId`: some of them may have been accepted.
   */
  sendEvents(events: readonly CairnEvent[]): Promise<EventsAnswer> {
    const { retriesMax } = this.#sender.options;
    return sendEvents(this.#sender, events.map(withId), retriesMax);
  }

  /** Sends the tracked events, and waits until each is accepted or lost. */
  flush(): Promise<void> {
    return this.#queue.flush();
  }

  /** Flushes; `track` throws from then on. */
  close(): Promise<void> {
    return this.#queue.close();
  }

  /**
   * A retry has the ranking id of the first attempt. Where the server knows the id already, it has
   * logged the ranking and its answer was lost: the order is then asked for without logging it
   * again, and events go to the logged ranking.
   */
  async #rank<R extends RankRequest | RecommendRequest | SimilarRequest>(
    path: string,
    request: R,
  ): Promise<Ranking> {
    const logged = request.learn !== false;
    const sent = logged ? { rankingId: crypto.randomUUID(), ...request } : request;
    const answer = await this.#sender.send<Ranking | "logged">({
      method: "POST",
      path,
      body: JSON.stringify(sent),
      accept: ({ type }, hasUnknownOutcome) =>
        hasUnknownOutcome && logged && type === "/problems/ranking-exists" ? "logged" : undefined,
    });
    if (answer !== "logged") return answer;
    const { rankingId, ...unlogged } = { ...sent, learn: false };
    const repeated = await this.#sender.send<Ranking>({
      method: "POST",
      path,
      body: JSON.stringify(unlogged),
    });
    return { ...repeated, rankingId: rankingId as string };
  }
}

/** Tracked events that are not sent yet. One batch is sent at a time, in order. */
class EventQueue {
  readonly #sender: Sender;
  #waiting: CairnEvent[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> | undefined;
  #isClosed = false;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  add(event: CairnEvent): string {
    const { batchEventsMax, flushMs, queueEventsMax } = this.#sender.options;
    if (this.#isClosed) throw new CairnQueueError("The client is closed; the event was not taken.");
    if (this.#waiting.length >= queueEventsMax) {
      throw new CairnQueueError(
        `${queueEventsMax} events wait to be sent; the event was not taken. ` +
          "Track it later, or raise queueEventsMax.",
      );
    }
    const sent = withId(event);
    // An event that is no JSON throws here, and not in a batch with others.
    JSON.stringify(sent);
    this.#waiting.push(sent);
    if (this.#waiting.length >= batchEventsMax) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), flushMs);
    return sent.eventId;
  }

  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sending) return this.#sending;
    if (this.#waiting.length === 0) return Promise.resolve();
    return this.#sending = this.#sendAll();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.flush();
  }

  async #sendAll(): Promise<void> {
    while (true) {
      const [batch] = batchesOf(this.#waiting, this.#sender.options);
      if (batch === undefined) break;
      this.#waiting = this.#waiting.slice(batch.length);
      try {
        const { events: results } = await sendEvents(
          this.#sender,
          batch,
          this.#sender.options.trackRetriesMax,
        );
        batch.forEach((event, i) => {
          const result = results[i];
          if (result?.status !== "rejected") return;
          this.#lose([event], new CairnProblemError("POST /v1/events", result.problem, 1));
        });
      } catch (error) {
        this.#lose(batch, error as CairnProblemError | CairnUnreachableError);
      }
    }
    this.#sending = undefined;
  }

  #lose(events: readonly CairnEvent[], error: LostEvents["error"]): void {
    const { onLost } = this.#sender.options;
    if (onLost === undefined) {
      console.error(`Cairn: events that were not accepted: ${events.length}.`, error);
      return;
    }
    try {
      onLost({ events, error });
    } catch (failure) { // A callback must not end the sending.
      console.error("Cairn: onLost failed.", failure);
    }
  }
}

/** Stored attributes of items or of users. */
export class Profiles {
  readonly #sender: Sender;
  readonly #kind: "item" | "user";

  /** @ignore */
  constructor(sender: Sender, kind: "item" | "user") {
    this.#sender = sender;
    this.#kind = kind;
  }

  /** Replaces the attributes. */
  put(id: string, attributes: Attributes): Promise<StoredProfile> {
    return this.#send("PUT", id, { attributes });
  }

  /** Replaces the attributes of many, in as many requests as that takes. */
  async putMany(profiles: readonly ProfileEntry[]): Promise<ProfilesAnswer> {
    const total: ProfilesAnswer = { stored: 0, rejected: 0, profiles: [] };
    const limits = { ...this.#sender.options, batchEventsMax: PROFILES_PER_LIST_MAX };
    for (const batch of batchesOf(profiles, limits)) {
      const answer = await this.#sender.send<ProfilesAnswer>({
        method: "POST",
        path: `/v1/${this.#kind}s`,
        body: JSON.stringify(batch),
        accept: ({ type, ...problem }) =>
          type === "/problems/no-profile-stored" ? problem : undefined,
      });
      total.stored += answer.stored;
      total.rejected += answer.rejected;
      total.profiles.push(...answer.profiles);
      if (answer.note !== undefined) total.note ??= answer.note;
    }
    return total;
  }

  /** Replaces some attributes, removes those that are null, and keeps the others. */
  patch(id: string, changes: Attributes): Promise<StoredProfile> {
    return this.#send("PATCH", id, { attributes: changes });
  }

  /** The stored attributes; undefined where none are stored. */
  get(id: string): Promise<Profile | undefined> {
    return this.#sender.send<Profile | null>({
      method: "GET",
      path: this.#pathOf(id),
      accept: ({ type }) => type === `/problems/unknown-${this.#kind}` ? null : undefined,
    }).then((profile) => profile ?? undefined);
  }

  /** Deletes the attributes; absent ones are no error. */
  delete(id: string): Promise<void> {
    return this.#send("DELETE", id);
  }

  /** Number of stored profiles. */
  async count(): Promise<number> {
    return (await this.#page({ limit: "1" })).count;
  }

  /**
   * Every stored profile, read page by page. A profile that is written meanwhile may come twice.
   *
   * @param writtenBefore Only profiles whose last write was before: stale ones.
   */
  async *list({ writtenBefore }: { writtenBefore?: Timestamp } = {}): AsyncGenerator<Profile> {
    let query: Record<string, string> = { limit: "1000" };
    if (writtenBefore !== undefined) query = { ...query, writtenBefore: String(writtenBefore) };
    while (true) {
      const { profiles, next } = await this.#page(query);
      yield* profiles;
      if (next === undefined) return;
      query = { ...query, cursor: next };
    }
  }

  #page(query: Record<string, string>): Promise<ProfilePage> {
    return this.#sender.send({
      method: "GET",
      path: `/v1/${this.#kind}s?${new URLSearchParams(query)}`,
    });
  }

  #send<T>(method: Method, id: string, body?: unknown): Promise<T> {
    return this.#sender.send<T>({
      method,
      path: this.#pathOf(id),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  #pathOf(id: string): string {
    return `/v1/${this.#kind}s/${encodeURIComponent(id)}`;
  }
}

/** Stored attributes of users, and their erasure. */
export class Users extends Profiles {
  readonly #sender: Sender;

  /** @ignore */
  constructor(sender: Sender) {
    super(sender, "user");
    this.#sender = sender;
  }

  /**
   * Erases a user: attributes, kept features, open rankings and learned rows. Returns a receipt to
   * {@link erasure}; keep its `erasureId`, which has nothing of the user.
   */
  forget(id: string): Promise<Erasure> {
    const path = `/v1/users/${encodeURIComponent(id)}?forget=true`;
    return this.#sender.send<Erasure>({ method: "DELETE", path });
  }

  /** The receipt of an erasure as it is now. */
  erasure(erasureId: string): Promise<Erasure> {
    const path = `/v1/erasures/${encodeURIComponent(erasureId)}`;
    return this.#sender.send<Erasure>({ method: "GET", path });
  }
}

type SentEvent = CairnEvent & { eventId: string };

/** An event keeps its id in each retry, so that it counts once. */
function withId(event: CairnEvent): SentEvent {
  return { ...event, eventId: event.eventId ?? crypto.randomUUID() };
}

/** Sends events in batches, and sends those again that the server could not take at the moment. */
async function sendEvents(
  sender: Sender,
  events: readonly CairnEvent[],
  retriesMax: number,
): Promise<EventsAnswer> {
  const results: EventResult[] = [];
  for (const batch of batchesOf(events, sender.options)) {
    results.push(...await sendBatch(sender, batch, retriesMax));
  }
  const count = (status: string) => results.filter((result) => result.status === status).length;
  return {
    accepted: count("accepted"),
    duplicates: count("duplicate"),
    rejected: count("rejected"),
    events: results,
  };
}

async function sendBatch(
  sender: Sender,
  batch: readonly CairnEvent[],
  retriesMax: number,
  attempt = 1,
): Promise<EventResult[]> {
  const { events: results } = await sender.send<EventsAnswer>({
    method: "POST",
    path: "/v1/events",
    body: JSON.stringify(batch),
    retriesMax,
    accept: ({ type, ...problem }) => type === "/problems/no-event-accepted" ? problem : undefined,
  });
  const { backoffMs, backoffMsMax } = sender.options;
  let waitMs = 0;
  const again = results.map((result) => {
    if (result.status !== "rejected") return false;
    const { status, retryAfterSeconds = 0 } = result.problem;
    const retryAfterMs = 1000 * retryAfterSeconds;
    if (!statusesToRetry.includes(status) || retryAfterMs > backoffMsMax) return false;
    waitMs = Math.max(waitMs, retryAfterMs);
    return true;
  });
  if (!again.includes(true) || attempt > retriesMax) return results;
  await pause(Math.min(backoffMsMax, waitMs + backoffMs * 2 ** (attempt - 1)));
  const left = batch.filter((_, i) => again[i]);
  const repeated = await sendBatch(sender, left, retriesMax, attempt + 1);
  return results.map((result, i) => again[i] ? repeated.shift() ?? result : result);
}

/** Cuts a list into batches within both limits; an entry above the size limit is sent alone. */
function* batchesOf<T>(
  list: readonly T[],
  limits: { readonly batchEventsMax: number; readonly batchUnitsMax: number },
): Generator<T[]> {
  let batch: T[] = [];
  let units = 0;
  for (const entry of list) {
    const size = JSON.stringify(entry).length + 1;
    const isFull = batch.length >= limits.batchEventsMax || units + size > limits.batchUnitsMax;
    if (batch.length > 0 && isFull) {
      yield batch;
      batch = [];
      units = 0;
    }
    batch.push(entry);
    units += size;
  }
  if (batch.length > 0) yield batch;
}

/** The problem of an answer; a text of another kind, as of a proxy, becomes its detail. */
function problemOf(response: Response, text: string): Problem {
  try {
    const problem = JSON.parse(text);
    if (typeof problem.type === "string" && typeof problem.status === "number") return problem;
  } catch { /* not JSON: described below */ }
  const { status, statusText } = response;
  return { type: "about:blank", title: statusText, status, detail: text.slice(0, 500) };
}

/** Wait that the server asks for, in seconds or as a date, ms; 0 without a readable one. */
function retryAfterMsOf(response: Response): number {
  const text = response.headers.get("retry-after");
  if (text === null) return 0;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
