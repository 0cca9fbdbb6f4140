/**
 * The open connections of an HTTP server. One timer looks at all of them, so that no request sets
 * one.
 */
import type { Socket } from "node:net";
import { present } from "../../structures/invariant.ts";
import { HttpConnection, type LooksMax } from "./http_connection.ts";

export class HttpConnections {
  /** In no order: a closed connection gives its index to the last one. */
  readonly #open: HttpConnection[] = [];
  readonly #bySocket = new WeakMap<Socket, HttpConnection>();
  readonly #lateAnswer: () => string;
  readonly #timer: ReturnType<typeof setInterval>;

  /**
   * @param intervalMs Time between two looks.
   * @param lateAnswer The answer to a request that is late, as it is sent.
   */
  constructor(max: LooksMax, intervalMs: number, lateAnswer: () => string) {
    this.#lateAnswer = lateAnswer;
    this.#timer = setInterval(() => {
      for (const connection of this.#open) connection.look(max);
    }, intervalMs);
  }

  /** Follows a connection until it is closed. */
  add(socket: Socket): void {
    const connection = new HttpConnection(socket, this.#open.length, this.#lateAnswer);
    this.#open.push(connection);
    this.#bySocket.set(socket, connection);
    socket.once("close", () => this.#remove(connection));
  }

  /** The connection of a socket that was added. */
  of(socket: Socket): HttpConnection {
    return present(this.#bySocket.get(socket), "the server follows each of its connections");
  }

  /** Looks at them no more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #remove({ index }: HttpConnection): void {
    const last = present(this.#open.pop(), "an open connection is in the list");
    if (index === this.#open.length) return;
    this.#open[index] = last;
    last.index = index;
  }
}
