/**
 * A proxy in front of a server, which fails requests as a network and a busy server do. A client in
 * any language orders the failures with `POST /faults`, a list of {@link Fault}; each of them fails
 * the next request to `/v1`.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/**
 * - `busy`: answers 503 and does not forward the request.
 * - `html`: answers 502 with a page, as a load balancer does.
 * - `gone`: breaks the connection and does not forward the request.
 * - `lost`: forwards the request and breaks the connection instead of answering.
 */
export type Fault = "busy" | "html" | "gone" | "lost";

export class FaultyProxy {
  readonly #server: Server;
  #faults: Fault[] = [];
  /** Methods, paths and statuses of the requests to `/v1`, `-` for a broken connection. */
  readonly seen: string[] = [];

  private constructor(url: string) {
    this.#server = createServer(async (request, response) => {
      const { method = "GET", url: path = "/", headers } = request;
      const body = await text(request);
      if (path === "/faults") {
        this.#faults = JSON.parse(body);
        response.end("ok");
        return;
      }
      const answer = await this.#answer(url + path, {
        method,
        headers: { "content-type": headers["content-type"] ?? "" },
        ...(body !== "" && { body }),
      });
      this.seen.push(`${method} ${path} ${answer?.status ?? "-"}`);
      if (answer === undefined) {
        request.socket.destroy();
        return;
      }
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.end(await answer.text());
    });
  }

  /** @param url The server's address without a path. */
  static async start(url: string): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(url);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Forwards the request, or fails it; undefined = the connection is to be broken. */
  async #answer(url: string, init: RequestInit): Promise<Response | undefined> {
    const fault = this.#faults.shift();
    if (fault === "gone") return undefined;
    if (fault === "html") return new Response("<h1>Bad gateway</h1>", { status: 502 });
    if (fault === "busy") {
      return Response.json({
        type: "/problems/overloaded",
        title: "Too many requests are in progress",
        status: 503,
        detail: "Try later.",
      }, { status: 503, headers: { "retry-after": "1" } });
    }
    const response = await fetch(url, init);
    if (fault !== "lost") return response;
    await response.body?.cancel();
    return undefined;
  }
}
