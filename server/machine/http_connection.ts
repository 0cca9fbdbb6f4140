/**
 * One connection of the HTTP server: answers its requests one after another, and is closed when a
 * request does not become complete, or nothing happens on it, for too long.
 *
 * Time is counted in looks, one each interval. However long the process was stopped, it makes one
 * look and then reads the bytes that arrived meanwhile, so a stop is not counted against a client.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Cancellation, type CancelSignal } from "../../mesh/runtime/cancel_signal.ts";

/** Requests that a connection may send before it has taken the first answer. */
const PIPELINED_MAX = 16;

/** Looks at a connection, one each interval, after which it is closed. */
export interface LooksMax {
  /** Without a change, after the client has taken the answers to all its requests. */
  readonly idle: number;
  /** Without a change, before that. */
  readonly answering: number;
  /** From its first byte, or from the connect, until the headers of a request are complete. */
  readonly headers: number;
  /** From its headers until the body of a request is complete. */
  readonly body: number;
  /** From the last answer of the connection until its end. */
  readonly leaving: number;
}

/** Answers a request; the signal is aborted when the connection ends before the answer. */
export type BeginAnswer = (hungUp: CancelSignal) => void;

interface UnansweredRequest {
  readonly outgoing: ServerResponse;
  readonly hungUp: Cancellation;
  readonly begin: BeginAnswer;
}

export class HttpConnection {
  readonly #socket: Socket;
  readonly #lateAnswer: () => string;
  /** Requests that have not been answered; the first one is being answered. */
  readonly #unanswered: UnansweredRequest[] = [];
  /** Looks since something happened. A timer per connection would be set anew by each request. */
  #quietLooks = 0;
  #bytesRead = 0;
  #bytesWritten = 0;
  #bytesUnsent = 0;
  /** The newest request, while its body is not complete. */
  #arriving: IncomingMessage | undefined;
  /** Looks at the request that arrives; its headers and its body are counted one by one. */
  #arrivingLooks = 0;
  /** Bytes read when the last request was complete; more of them are the headers of the next. */
  #bytesOfRequests = -1;
  /** Number of looks since the last answer of the connection; undefined before that answer. */
  #leavingLooks: number | undefined;
  /** Its index among the open connections. */
  index: number;

  /** @param lateAnswer The answer to a request that is late, as it is sent. */
  constructor(socket: Socket, index: number, lateAnswer: () => string) {
    this.#socket = socket;
    this.#lateAnswer = lateAnswer;
    this.index = index;
  }

  /**
   * Answers a request by `begin`, when the client has taken the answers before. Else a client that
   * sends many requests and reads nothing would fill the memory.
   */
  takeTurn(incoming: IncomingMessage, outgoing: ServerResponse, begin: BeginAnswer): void {
    const unanswered = this.#unanswered;
    // Behind the last answer of the connection a request would be carried out without an answer.
    if (!this.#socket.writable) return;
    this.#arriving = incoming;
    this.#arrivingLooks = 0;
    if (unanswered.length >= PIPELINED_MAX) {
      this.#socket.destroy();
      return;
    }
    this.#quietLooks = 0;
    const hungUp = new Cancellation();
    outgoing.once("close", () => {
      this.#quietLooks = 0;
      unanswered.shift();
      if (!outgoing.writableEnded) hungUp.abort();
      const next = this.#socket.writable ? unanswered.at(0) : undefined;
      next?.begin(next.hungUp);
    });
    unanswered.push({ outgoing, hungUp, begin });
    if (unanswered.length === 1) begin(hungUp);
  }

  /**
   * Sends the last answer of the connection, and closes it behind the answer. The rest of a body
   * that arrives is read and dropped before that, as far as it comes within `LooksMax.leaving`: a
   * socket that is closed while bytes arrive is reset, and a client that still sends would lose the
   * answer.
   *
   * @param answer Status line, headers and body.
   */
  leave(answer: string): void {
    const socket = this.#socket;
    if (this.#leavingLooks !== undefined) return;
    if (!socket.writable) return socket.destroySoon();
    this.#leavingLooks = 0;
    const incoming = this.#arriving;
    if (incoming === undefined || incoming.complete) {
      socket.end(answer, () => socket.destroySoon());
      return;
    }
    incoming.once("end", () => socket.destroySoon());
    incoming.resume();
    socket.end(answer);
  }

  /**
   * Closes the connection because of a request that is late, or bytes that are no request. The
   * answer is sent where no other request waits for one: the client would take it for that one's.
   */
  refuse(answer: string): void {
    if (this.#leavingLooks !== undefined) return;
    const isInBody = this.#arriving !== undefined && !this.#arriving.complete;
    // Behind an answer that has begun, a second one would be taken for a part of it.
    const isAnswerBegun = this.#unanswered.at(0)?.outgoing.headersSent ?? false;
    if (isAnswerBegun || this.#unanswered.length > (isInBody ? 1 : 0)) this.#socket.destroy();
    else this.leave(answer);
  }

  /** Called once each interval: closes the connection after too many of them. */
  look(max: LooksMax): void {
    if (this.#leavingLooks !== undefined) {
      if (++this.#leavingLooks > max.leaving) this.#socket.destroy();
      return;
    }
    const isLate = this.#isRequestLate(max);
    const { bytesRead, bytesWritten, writableLength } = this.#socket;
    const isAnswering = this.#unanswered.length > 0;
    // While an answer is taken, bytes of further requests are no progress.
    const isQuiet = bytesWritten === this.#bytesWritten && writableLength === this.#bytesUnsent &&
      (isAnswering || bytesRead === this.#bytesRead);
    this.#bytesRead = bytesRead;
    this.#bytesWritten = bytesWritten;
    this.#bytesUnsent = writableLength;
    this.#quietLooks = isQuiet ? this.#quietLooks + 1 : 0;
    if (isLate) this.refuse(this.#lateAnswer());
    else if (this.#quietLooks > (isAnswering ? max.answering : max.idle)) this.#socket.destroy();
  }

  #isRequestLate({ headers, body }: LooksMax): boolean {
    const { bytesRead } = this.#socket;
    if (this.#arriving !== undefined) {
      if (!this.#arriving.complete) return ++this.#arrivingLooks > body;
      this.#arriving = undefined;
      this.#arrivingLooks = 0;
      this.#bytesOfRequests = bytesRead;
    }
    // Until the answers before are taken, further headers are not awaited.
    if (this.#unanswered.length > 0) this.#bytesOfRequests = bytesRead;
    return bytesRead !== this.#bytesOfRequests && ++this.#arrivingLooks > headers;
  }
}
