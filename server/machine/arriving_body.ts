/**
 * The body of a request on `node:http` with the two methods of a web stream's reader that the
 * gateway uses. A web stream would cost as much as the rest of the request.
 */
import type { IncomingMessage } from "node:http";

type Chunk =
  | { readonly done: false; readonly value: Uint8Array }
  | { readonly done: true; readonly value: undefined };

/** The body arrived completely, or no more of it will be read. */
const end: Chunk = { done: true, value: undefined };

export class ArrivingBody {
  readonly #incoming: IncomingMessage;
  readonly #chunks: Uint8Array[] = [];
  #state: "unread" | "arriving" | "ended" | "broken" = "unread";
  /** The read that waits for a chunk. */
  #waiting: PromiseWithResolvers<Chunk> | undefined;

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
  }

  /** Begins to read; may be called once, as of any stream. */
  getReader(): this {
    if (this.#state !== "unread") throw new TypeError("The body is already being read");
    this.#state = "arriving";
    this.#incoming
      .on("data", (chunk: Uint8Array) => this.#add(chunk))
      .on("end", () => this.#settle("ended"))
      .on("close", () => this.#settle(this.#incoming.complete ? "ended" : "broken"));
    return this;
  }

  /** The next chunk. @throws {Error} When the client broke off. */
  read(): Promise<Chunk> {
    const value = this.#chunks.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#state === "ended") return Promise.resolve(end);
    if (this.#state === "broken") return Promise.reject(new Error("The client broke off"));
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** Reads no more. The bytes that still arrive stay in the kernel until the answer is sent. */
  cancel(): Promise<void> {
    this.#chunks.length = 0;
    this.#settle("ended");
    this.#incoming.pause();
    return Promise.resolve();
  }

  #add(chunk: Uint8Array): void {
    if (this.#state !== "arriving") return;
    if (this.#waiting === undefined) this.#chunks.push(chunk);
    else this.#waiting.resolve({ done: false, value: chunk });
    this.#waiting = undefined;
  }

  #settle(state: "ended" | "broken"): void {
    if (this.#state !== "arriving") return;
    this.#state = state;
    if (state === "ended") this.#waiting?.resolve(end);
    else this.#waiting?.reject(new Error("The client broke off"));
    this.#waiting = undefined;
  }
}
