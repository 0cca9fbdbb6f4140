/**
 * One connection of the HTTP server: answers its requests one after another, and is closed when
 * nothing happens on it for too long.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Requests that a connection may send before it has taken the first answer. */
const PIPELINED_MAX = 16;

/** Looks at a connection, one each interval, after which it is closed if nothing has happened. */
export interface QuietLooksMax {
  /** While all its requests are answered. */
  readonly idle: number;
  /** While a request is not answered, or the client has not taken the answer. */
  readonly answering: number;
}

export class HttpConnection {
  readonly #socket: Socket;
  /** Requests that have not been answered; the first one is being answered. */
  readonly #unanswered: (() => void)[] = [];
  /** Looks since something happened. A timer per connection would be set anew by each request. */
  #quietLooks = 0;
  #bytesRead = 0;
  #bytesWritten = 0;
  #bytesUnsent = 0;
  /** Its index among the open connections. */
  index: number;

  constructor(socket: Socket, index: number) {
    this.#socket = socket;
    this.index = index;
  }

  /**
   * Answers a request by `begin`, when the client has taken the answers before. Else a client that
   * sends many requests and reads nothing would fill the memory.
   */
  takeTurn(outgoing: ServerResponse, begin: () => void): void {
    const unanswered = this.#unanswered;
    if (this.#socket.destroyed) return;
    if (unanswered.length >= PIPELINED_MAX) {
      this.#socket.destroy();
      return;
    }
    this.#quietLooks = 0;
    outgoing.once("close", () => {
      this.#quietLooks = 0;
      unanswered.shift();
      if (!this.#socket.destroyed) unanswered.at(0)?.();
    });
    unanswered.push(begin);
    if (unanswered.length === 1) begin();
  }

  /** Called once each interval: closes the connection after too many of them without a change. */
  look({ idle, answering }: QuietLooksMax): void {
    const { bytesRead, bytesWritten, writableLength } = this.#socket;
    const isAnswering = this.#unanswered.length > 0;
    // While an answer is taken, bytes of further requests are no progress.
    const isQuiet = bytesWritten === this.#bytesWritten && writableLength === this.#bytesUnsent &&
      (isAnswering || bytesRead === this.#bytesRead);
    this.#bytesRead = bytesRead;
    this.#bytesWritten = bytesWritten;
    this.#bytesUnsent = writableLength;
    this.#quietLooks = isQuiet ? this.#quietLooks + 1 : 0;
    if (this.#quietLooks > (isAnswering ? answering : idle)) this.#socket.destroy();
  }
}
