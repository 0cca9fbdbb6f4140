/**
 * A record of an append that is made once, as the script takes it; see `appendOnceScript`.
 */
import { createHash } from "node:crypto";
import type { OnceOutcome, OnceRecord } from "../../ports/event_log.ts";
import type { RedisArgument } from "./redis_connection.ts";

export class OnceArguments {
  readonly values: readonly RedisArgument[];
  readonly #digest: string;
  readonly #token: string;

  /** @param token Tells this sending from all others, also of other processes. */
  constructor(
    { id, before, bytes, content, acceptedAtMs, endsWithTime }: OnceRecord,
    token: string,
  ) {
    this.#digest = digest(content);
    this.#token = token;
    this.values = [
      id ?? "",
      acceptedAtMs,
      this.#digest,
      token,
      endsWithTime ? 1 : 0,
      before ?? "",
      bytes,
    ];
  }

  /** The outcome by the value under the id, `content time token`. */
  outcomeOf(value: string): OnceOutcome {
    const [content, time, token] = value.split(" ");
    const acceptedAtMs = Number(time);
    return token === this.#token
      ? { kind: "appended", acceptedAtMs }
      : { kind: "earlier", isSame: content === this.#digest, acceptedAtMs };
  }
}

/** A content as it is stored: the same in all processes, and short. */
function digest(content: string): string {
  return createHash("sha256").update(content).digest("base64url").slice(0, 22);
}
