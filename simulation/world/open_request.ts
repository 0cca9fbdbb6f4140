/**
 * A request whose client may hang up, as the thread of a server sees it.
 */
import type { Clock } from "../../mesh/ports/clock.ts";

export class OpenRequest {
  readonly #request: Request;
  readonly #noticed: (wallMs: number) => void;
  #isLeft = false;
  /** Lets the thread that answers notice the end; undefined before and after. */
  #close: (() => void) | undefined;

  /** @param noticed Told when the server notices the end, at this time on its wall clock. */
  constructor(request: Request, noticed: (wallMs: number) => void) {
    this.#request = request;
    this.#noticed = noticed;
  }

  /** The client hangs up. */
  hangUp(): void {
    this.#isLeft = true;
    this.#close?.();
  }

  /**
   * Has the request answered by a thread, which notices the end of the connection as it reads its
   * sockets: not while it stands still, and not after its process has died.
   */
  async answer(
    clock: Clock,
    serve: (request: Request) => Response | Promise<Response>,
  ): Promise<Response> {
    const connection = new AbortController();
    this.#close = () =>
      void clock.schedule(0, () => {
        if (this.#close === undefined) return;
        this.#noticed(clock.nowMs());
        connection.abort();
      });
    if (this.#isLeft) this.#close();
    try {
      return await serve(new Request(this.#request, { signal: connection.signal }));
    } finally {
      this.#close = undefined;
    }
  }
}
