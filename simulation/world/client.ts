/**
 * A client of the simulated server: sends HTTP requests to whichever process runs, as from another
 * machine. A process that dies breaks the connection; one that is down refuses it.
 */
import type { World } from "./world.ts";

/** A request as its client sent it. */
export interface SentRequest {
  readonly method: string;
  readonly path: string;
  /** Undefined where it has none. */
  readonly requestBody: unknown;
}

/** An HTTP exchange as its client saw it. */
export interface Reply extends SentRequest {
  /** The client's name. */
  readonly client: string;
  /** 0 where there was no answer: the connection broke, or none could be made. */
  readonly status: number;
  /** Parsed JSON; undefined without an answer. */
  readonly body: unknown;
}

/** Sends requests under a name. */
export class Client {
  constructor(readonly world: World, readonly name: string) {}

  /** Never rejects: a broken connection is a reply with status 0. */
  async send(
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: string,
    body?: unknown,
  ): Promise<Reply> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const sent = { method, path, requestBody: body };
    const response = await this.world.exchange(
      new Request(`http://simulated${path}`, {
        method,
        ...(text !== undefined && {
          body: text,
          headers: {
            "content-type": "application/json",
            "content-length": String(new TextEncoder().encode(text).byteLength),
          },
        }),
      }),
      sent,
    );
    const reply: Reply = {
      client: this.name,
      ...sent,
      status: response?.status ?? 0,
      body: response?.body,
    };
    this.world.replied(reply);
    return reply;
  }
}
