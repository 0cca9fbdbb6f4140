/**
 * The client: orders measurements from a thread that does nothing else.
 */
import type { LoadOrder, LoadResult } from "./load_worker.ts";

/** The settings in which measurements of a server differ. */
export type Measurement =
  & Pick<LoadOrder, "candidates" | "seconds">
  & Partial<Pick<LoadOrder, "seed" | "requestsPerSecond">>;

const CONNECTIONS = 8;
const USERS = 100_000;

export class LoadClient {
  readonly #worker = new Worker(new URL("./load_worker.ts", import.meta.url), { type: "module" });
  readonly #items: number;

  /** @param items Items of the shop. */
  constructor(items: number) {
    this.#items = items;
  }

  /** Sends requests to the server at `url`. */
  measure(url: string, measurement: Measurement): Promise<LoadResult> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }) => resolve(data);
      this.#worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      const order: LoadOrder = {
        hostname,
        port: Number(port),
        items: this.#items,
        users: USERS,
        connections: CONNECTIONS,
        seed: 1,
        ...measurement,
      };
      this.#worker.postMessage(order);
    });
  }

  close(): void {
    this.#worker.terminate();
  }
}
