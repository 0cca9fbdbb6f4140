/**
 * Goal: commands that come while others are on the way travel together. Method: a relay between the
 * connection and a real server records the pieces that the connection writes.
 */
import assert from "node:assert/strict";
import { createConnection, createServer, type Socket } from "node:net";
import {
  RedisConnection,
  RedisUnavailableError,
} from "../../../../mesh/adapters/redis/redis_connection.ts";
import { PATIENT_MS, withServers } from "./servers.ts";

await withServers(({ program, local }) => {
  const test = (name: string, body: (world: World) => Promise<void>) =>
    Deno.test(`${program}: ${name}`, async () => {
      const world = await World.open(local.url.replace("unix://", ""));
      try {
        await body(world);
      } finally {
        await world.close();
      }
    });

  test("commands of one turn travel together, and later ones after the answers", async (world) => {
    const { connection } = world;
    const echo = (text: string) => connection.send<string>(["ECHO", text]);
    const first = [echo("a"), echo("b")];
    await first[0];
    const next = [echo("c"), echo("d")];
    assert.deepEqual(await Promise.all([...first, ...next]), ["a", "b", "c", "d"]);
    world.holdsAnswers = true;
    const held = echo("e");
    await world.written("e");
    const waiting = ["f", "g", "h"].map(echo);
    await turns(5);
    assert.equal(world.pieces.at(-1)?.includes("f"), false, "e is not answered yet");
    world.release();
    assert.deepEqual(await Promise.all([held, ...waiting]), ["e", "f", "g", "h"]);
    const together = world.pieces.filter((piece) => /\b[fgh]\b/.test(piece));
    assert.equal(together.length, 1, "one piece has f, g and h");
  });

  test("the parts of a command with bytes are one piece", async (world) => {
    const { connection } = world;
    const bytes = new Uint8Array(3_000).fill(1);
    for (let i = 0; i < 5; i++) {
      const before = world.pieces.length;
      await Promise.all([
        connection.send(["SET", "a", bytes, "PX", 60_000]),
        connection.send(["SET", "b", bytes]),
      ]);
      assert.equal(world.pieces.length, before + 1);
    }
    assert.deepEqual(new Uint8Array(await connection.sendForBytes(["GET", "a"])), bytes);
  });

  test("commands that wait fail with the connection, as not sent", async (world) => {
    world.holdsAnswers = true;
    const sent = world.connection.send(["ECHO", "a"]).catch((error) => error);
    await world.written("a");
    const waiting = world.connection.send(["ECHO", "b"]).catch((error) => error);
    await turns(5);
    world.cut();
    for (const [outcome, isSent] of [[sent, true], [waiting, false]] as const) {
      const error = await outcome;
      assert.ok(error instanceof RedisUnavailableError);
      assert.equal(error.sent, isSent);
    }
  });
});

class World {
  readonly pieces: string[] = [];
  holdsAnswers = false;
  readonly connection: RedisConnection;
  readonly #held: (() => void)[] = [];
  readonly #sockets: Socket[] = [];
  readonly #server: ReturnType<typeof createServer>;

  private constructor(path: string, server: ReturnType<typeof createServer>) {
    this.#server = server;
    const { port } = server.address() as { port: number };
    server.on("connection", (socket: Socket) => {
      const upstream = createConnection(path);
      this.#sockets.push(socket, upstream);
      socket.on("data", (bytes) => {
        this.pieces.push(bytes.toString());
        upstream.write(bytes);
      });
      upstream.on("data", (bytes) => {
        const pass = () => void socket.write(bytes);
        if (this.holdsAnswers) this.#held.push(pass);
        else pass();
      });
      for (const each of [socket, upstream]) each.on("error", () => {});
    });
    this.connection = new RedisConnection({
      url: `redis://127.0.0.1:${port}`,
      deadlineMs: PATIENT_MS,
      sharesFlights: true,
    });
  }

  static async open(path: string): Promise<World> {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const world = new World(path, server);
    await world.connection.connect();
    return world;
  }

  /** Waits until the connection has written a piece with `text`. */
  async written(text: string): Promise<void> {
    while (!this.pieces.at(-1)?.includes(`\r\n${text}\r\n`)) await turns(1);
  }

  release(): void {
    this.holdsAnswers = false;
    for (const pass of this.#held.splice(0)) pass();
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.connection.close();
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}
