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
  readonly #refuseLate: (socket: Socket) => void;
  readonly #timer: ReturnType<typeof setInterval>;

  /**
   * @param intervalMs Time between two looks.
   * @param refuseLate Answers that a request is late, and closes its connection.
   */
  constructor(max: LooksMax, intervalMs: number, refuseLate: (socket: Socket) => void) {
    this.#refuseLate = refuseLate;
    this.#timer = setInterval(() => {
      for (const connection of this.#open) connection.look(max);
    }, intervalMs);
  }

  /** Follows a connection until it is closed. */
  add(socket: Socket): void {
    const connection = new HttpConnection(socket, this.#open.length, this.#refuseLate);
    this.#open.push(connection);
    this.#bySocket.set(socket, connection);
    socket.once("close", () => this.#remove(connection));
  }

  /** The connection of a socket that was added. */
  of(socket: Socket): HttpConnection {
    return present(this.#bySocket.get(socket), "a request comes over a connection that was added");
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
