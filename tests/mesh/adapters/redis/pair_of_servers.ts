/**
 * Two servers, of which each may be the other's replica, and an address that leads to either.
 */
import assert from "node:assert/strict";
import { RedisConnection } from "../../../../mesh/adapters/redis/redis_connection.ts";
import { PATIENT_MS } from "./servers.ts";

/** Longest wait for a replica to be in step, ms. */
const IN_STEP_MS = 60_000;

/** The server of a test and a second one, each of which may be the other's replica. */
export class Pair {
  readonly first: RedisConnection;
  readonly second: RedisConnection;
  readonly #ports: readonly [first: number, second: number];

  constructor(urls: readonly [string, string], ports: readonly [number, number]) {
    [this.first, this.second] = urls.map((url) =>
      new RedisConnection({ url, deadlineMs: PATIENT_MS })
    );
    this.#ports = ports;
  }

  /** Makes a server the other one's replica; resolves when it has that one's data. */
  async follow(replica: RedisConnection): Promise<void> {
    const primary = replica === this.first ? this.second : this.first;
    const [port] = replica === this.first ? this.#ports.toReversed() : this.#ports;
    await replica.send(["REPLICAOF", "127.0.0.1", port]);
    const endsMs = performance.now() + IN_STEP_MS;
    for (;;) {
      await replica.readReport();
      if (replica.report.get("master_link_status") === "up" && await inStep(primary)) return;
      assert.ok(performance.now() < endsMs, "the replica is not in step");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async promote(replica: RedisConnection): Promise<void> {
    await replica.send(["REPLICAOF", "NO", "ONE"]);
  }

  /**
   * The second server becomes the primary and lacks what `lost` writes; then the first one is its
   * replica, and the primary again.
   *
   * @param endsConnections Whether connections end with the demotion, as a sentinel ends them.
   */
  async failBack(lost: () => Promise<unknown>, endsConnections: boolean): Promise<void> {
    await this.promote(this.second);
    await lost();
    await this.follow(this.first);
    if (endsConnections) await this.first.send(["CLIENT", "KILL", "TYPE", "normal"]);
    await this.promote(this.first);
  }
}

/** An address under which clients reach one of two servers, as by a name or a virtual address. */
export class MovingAddress implements Disposable {
  readonly url: string;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  #port: number;

  /** @param port Where it leads at first. */
  constructor(port: number) {
    this.#port = port;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.url = `redis://127.0.0.1:${this.#listener.addr.port}`;
    void this.#accept();
  }

  /** Ends all connections; later ones lead to another server. */
  moveTo(port: number): void {
    this.#port = port;
    for (const connection of this.#open) closeOf(connection);
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.moveTo(this.#port);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      this.#open.add(client);
      this.#lead(client).catch(() => closeOf(client));
    }
  }

  async #lead(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
    if (!this.#open.has(client)) return closeOf(server); // the address has moved meanwhile
    this.#open.add(server);
    void client.readable.pipeTo(server.writable).catch(() => {});
    void server.readable.pipeTo(client.writable).catch(() => {});
  }
}

/** Moves of the address between two servers. */
export interface Moves {
  /** To the second server, which is promoted with all that the first one has. */
  forth(): Promise<void>;
  /** To the first server, which has followed the second one and is promoted. */
  followedBack(): Promise<void>;
  /** To the first server, as it was left. */
  back(): void;
}

/** Closes a connection that may have been closed by its other end. */
function closeOf(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** Whether every replica of a server has all of its writes. */
async function inStep(primary: RedisConnection): Promise<boolean> {
  await primary.send(["SET", "in step", "1"]);
  return await primary.send<number>(["WAIT", 1, 100], 100) === 1;
}
