/**
 * All problems that the gateway answers with, as `application/problem+json` (RFC 9457), and the one
 * function that maps errors to them. A problem's `type` is stable: clients may switch on it, and it
 * is the path of a page on this server that explains it.
 */
import type { z } from "zod";
import { ActorFailedError, AskTimeoutError, OverloadedError } from "../mesh/runtime/errors.ts";
import { RankingsAwaitedError } from "../mesh/ports/shared_rankings.ts";
import type { problemSchema } from "./schemas/problem.ts";
import { type HeaderField, TextResponse } from "./text_response.ts";

interface ProblemDefinition {
  readonly status: number;
  readonly title: string;
  /** Advice to the client for this type; a problem's `detail` describes the single case. */
  readonly remedy: string;
  /** Seconds to wait before a retry may succeed. */
  readonly retryAfterSeconds?: number;
}

export const problems = {
  "malformed-json": {
    status: 400,
    title: "The body is not JSON",
    remedy: "Send one JSON value in UTF-8. The detail names the position where reading stopped.",
  },
  "malformed-request": {
    status: 400,
    title: "The request cannot be read",
    remedy: "Check the percent-encoding of the path and the headers that the detail names.",
  },
  "unauthorized": {
    status: 401,
    title: "The API key is missing or wrong",
    remedy: "Send a configured key as `Authorization: Bearer KEY` or `X-API-Key: KEY`.",
  },
  "unknown-path": {
    status: 404,
    title: "There is nothing at this path",
    remedy: "See /openapi.json for the paths of this server.",
  },
  "unknown-item": {
    status: 404,
    title: "No attributes are stored for this item",
    remedy: "Store them with PUT /v1/items/{id}. Ranking and events work without them.",
  },
  "unknown-user": {
    status: 404,
    title: "No attributes are stored for this user",
    remedy: "Store them with PUT /v1/users/{id}. Ranking and events work without them.",
  },
  "unknown-erasure": {
    status: 404,
    title: "There is no erasure of this id",
    remedy: "Send the erasureId of the answer to DELETE /v1/users/{id}?forget=true.",
  },
  "ranking-not-kept": {
    status: 404,
    title: "Neither the event log nor the newest rankings have this ranking",
    remedy: "Check the id, or look for the ranking among those of its user, with " +
      "GET /console/rankings?user=USER. Old rankings leave the log when it is trimmed.",
  },
  "recommend-off": {
    status: 404,
    title: "This server does not look for candidates",
    remedy: "Set recommend.enabled: true in cairn.yaml, or send candidates to POST /v1/rank.",
  },
  "method-not-allowed": {
    status: 405,
    title: "This path does not take this method",
    remedy: "Use one of the methods in the Allow header.",
  },
  "body-timeout": {
    status: 408,
    title: "The body did not arrive in time",
    remedy: "Send the whole body at once; the deadline (gateway.deadline) includes it.",
  },
  "ranking-exists": {
    status: 409,
    title: "This rankingId was already used",
    remedy: "Leave rankingId out to get a fresh one, or send one that was never used.",
  },
  "event-conflict": {
    status: 409,
    title: "This eventId was already used for another event",
    remedy:
      "Send each event with an eventId of its own, such as a UUID. A retry must have the same " +
      "rankingId, item, action and value.",
  },
  "body-too-large": {
    status: 413,
    title: "The body is too large",
    remedy: "Send fewer candidates, events or profiles at a time, or raise gateway.bodyMax.",
  },
  "unsupported-media-type": {
    status: 415,
    title: "The body is not declared as uncompressed JSON",
    remedy: "Send `Content-Type: application/json` and no Content-Encoding.",
  },
  "invalid-request": {
    status: 422,
    title: "The request has wrong fields",
    remedy: "Each entry of `errors` points to a field and says what to send instead.",
  },
  "timestamp-ahead": {
    status: 422,
    title: "The timestamp lies in the future",
    remedy:
      "Send the time at which it happened, in ms since the Unix epoch, or leave it out for now.",
  },
  "unknown-ranking": {
    status: 422,
    title: "The gateway does not remember this ranking",
    remedy:
      "Send the rankingId of an answer that was not made with learn: false, while the gateway " +
      "remembers it (gateway.rankingsRememberedMax). An event on an older ranking names the user " +
      "instead. With several gateways and no storage.redis, set gateway.unknownRankings to accept.",
  },
  "item-not-shown": {
    status: 422,
    title: "The ranking did not show this item",
    remedy: "Send an item of the ranking's answer; candidates beyond `limit` were not shown. An " +
      "event on another item names the user instead of the ranking.",
  },
  "no-event-accepted": {
    status: 422,
    title: "No event of the batch was accepted",
    remedy: "Each entry of `events` has its own problem. Correct them and send the batch again.",
  },
  "no-profile-stored": {
    status: 422,
    title: "No profile of the list was stored",
    remedy: "Each entry of `profiles` has its own problem. Correct them and send the list again.",
  },
  "overloaded": {
    status: 429,
    title: "Too many requests are in progress",
    remedy: "Wait for Retry-After seconds, then send the request again; send fewer at a time.",
    retryAfterSeconds: 1,
  },
  "internal-error": {
    status: 500,
    title: "The server failed",
    remedy:
      "This is a defect of the server. Report it with the traceId, which is in the server's log too.",
  },
  "not-ready": {
    status: 503,
    title: "The server cannot rank yet",
    remedy:
      "Wait until GET /health/ready answers 200. The detail names the missing part. While only " +
      "the ranker or its rows are missing, events and profiles are taken.",
    retryAfterSeconds: 1,
  },
  "unavailable": {
    status: 503,
    title: "A part of the server does not work at the moment",
    remedy:
      "Wait for Retry-After seconds, then send the request again; events keep their eventId. " +
      "The detail says whether the operator must act, for example on a full disk.",
    retryAfterSeconds: 1,
  },
  "log-full": {
    status: 503,
    title: "The event log is full",
    remedy:
      "Nothing of the refused request was stored. The server makes room by itself: it decides its " +
      "oldest rankings early. Wait for Retry-After seconds, then send the request again; if this " +
      "happens often, raise storage.logBytesMax.",
    retryAfterSeconds: 5,
  },
  "deadline-exceeded": {
    status: 504,
    title: "The deadline passed",
    remedy: "Send the request again: an event with the same eventId counts once. The detail says " +
      "where the time went. gateway.deadline sets the deadline.",
  },
} as const satisfies Record<string, ProblemDefinition>;

export type ProblemKind = keyof typeof problems;

/** One wrong field: its RFC 6901 pointer as a URI fragment, and the correction. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/** The body of an `application/problem+json` answer. */
export type ProblemBody = z.infer<typeof problemSchema>;

export interface ProblemExtras {
  readonly errors?: readonly FieldError[];
  /** Further members of the body. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: that of the problem's kind. */
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** A problem as an error: thrown anywhere in the gateway, turned into a response by the app. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    readonly kind: ProblemKind,
    readonly detail: string,
    readonly extras: ProblemExtras = {},
  ) {
    // Without a stack: it would take ten times as long as to validate the entry of a list, and an
    // unexpected error keeps its own as the cause.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(`${kind}: ${detail}`, { cause: extras.cause });
    Error.stackTraceLimit = stackTraceLimit;
  }

  get status(): number {
    return problems[this.kind].status;
  }

  /** Time after which a retry may succeed, s; undefined where waiting does not help. */
  get retryAfterSeconds(): number | undefined {
    const definition: ProblemDefinition = problems[this.kind];
    return this.extras.retryAfterSeconds ?? definition.retryAfterSeconds;
  }

  body(traceId?: string): ProblemBody {
    return {
      type: `/problems/${this.kind}`,
      title: problems[this.kind].title,
      status: this.status,
      detail: this.detail,
      ...(this.extras.errors && { errors: [...this.extras.errors] }),
      ...(this.retryAfterSeconds !== undefined && { retryAfterSeconds: this.retryAfterSeconds }),
      ...this.extras.members,
      ...(traceId && { traceId }),
    };
  }

  /** The problem as a response. @param more Further headers. */
  response(traceId?: string, more: readonly HeaderField[] = []): Response {
    const { retryAfterSeconds } = this;
    return TextResponse.of({
      status: this.status,
      fields: [
        ["content-type", "application/problem+json"],
        ...(retryAfterSeconds === undefined
          ? []
          : [["retry-after", String(retryAfterSeconds)] as const]),
        ...Object.entries(this.extras.headers ?? {}),
        ...more,
      ],
      text: JSON.stringify(this.body(traceId)),
    });
  }
}

/** Errors of stores that take nothing now. */
const unavailableStores: ReadonlySet<string> = new Set([
  "LogUnavailableError",
  "LogTailLostError",
  "ProfileStoreUnavailableError",
  "RankingsUnreadError",
]);

const unreadyParts: ReadonlySet<string> = new Set([
  "ReplicaNotCurrentError",
  "NoWeightsError",
  "ItemsUnreadError",
]);

/** The problem for any thrown value; `internal-error` for those without a rule here. */
export function problemOf(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof AskTimeoutError) {
    return new ProblemError("deadline-exceeded", error.message, { cause: error });
  }
  if (error instanceof OverloadedError) {
    return new ProblemError("overloaded", error.message, { cause: error });
  }
  if (error instanceof ActorFailedError) {
    return new ProblemError("unavailable", error.message, { cause: error });
  }
  // Compared by name: an error from another thread is not an instance of this thread's class.
  if (error instanceof Error && unreadyParts.has(error.name)) {
    return new ProblemError("not-ready", error.message, { cause: error });
  }
  if (error instanceof Error && error.name === "UnknownItemError") {
    return new ProblemError("unknown-item", error.message, { cause: error });
  }
  if (error instanceof Error && error.name === "RecommendOffError") {
    return new ProblemError("recommend-off", error.message, { cause: error });
  }
  if (error instanceof Error && error.name === "RankingExistsError") {
    return new ProblemError("ranking-exists", error.message, { cause: error });
  }
  if (error instanceof RankingsAwaitedError) {
    const { message, retryAfterSeconds } = error;
    return new ProblemError("unavailable", message, { retryAfterSeconds, cause: error });
  }
  if (error instanceof Error && error.name === "LogFullError") {
    return new ProblemError("log-full", error.message, { cause: error });
  }
  if (error instanceof Error && unavailableStores.has(error.name)) {
    return new ProblemError("unavailable", error.message, { cause: error });
  }
  return new ProblemError(
    "internal-error",
    "The request failed by a defect of the server; the server's log has the cause.",
    { cause: error },
  );
}
