/**
 * The end of a real server on SIGTERM: behind a load balancer no request fails, and clients that
 * hold connections in every state do not hold it up.
 */
import assert from "node:assert/strict";
import { MeshProcess } from "./mesh_process.ts";
import { smallConfiguration } from "./small_mesh.ts";

/** Time for the balancer of the test to notice, ms; it looks all the time. */
const STOP_AFTER_MS = 3_000;
/** Starting Deno, a last snapshot and a loaded machine, ms. */
const SLACK_MS = 60_000;

/** A connection that has sent a text. */
async function connected(url: string, text: string) {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(text));
  return {
    /** The text until the server closes the connection, or until `end` has come. */
    async read(end?: string): Promise<string> {
      let text = "";
      const buffer = new Uint8Array(4_096);
      while (end === undefined || !text.includes(end)) {
        const count = await connection.read(buffer).catch(() => null);
        if (count === null) break;
        text += new TextDecoder().decode(buffer.subarray(0, count));
      }
      return text;
    },
    close: () => connection.close(),
  };
}

const HEAD = "host: cairn\r\ncontent-type: application/json\r\n";

Deno.test("a server with idle, half-sent, unread and HTTP/2 connections stops in order and in time", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "cairn-stop-" });
  const configuration = `${folder}/cairn.yaml`;
  Deno.writeTextFileSync(
    configuration,
    smallConfiguration("in one thread", "{ kind: directory, path: data }")
      .replace("deadline: 5s", "deadline: 1s"),
  );
  const server = await MeshProcess.start(configuration);
  const connections: { close(): void }[] = [];
  try {
    const open = async (text: string) => {
      const connection = await connected(server.url, text);
      connections.push(connection);
      return connection;
    };
    const idle = await open(`GET /health/live HTTP/1.1\r\n${HEAD}\r\n`);
    assert.match(await idle.read("live"), /^HTTP\/1\.1 200 /);
    await open(""); // never sends a byte
    await open("GET /health/live HTTP/1.1\r\nhost: ca"); // nor the rest of its headers
    const body = '{"user":"u","candidates":[{"id":"a"}]}';
    const request = `POST /v1/rank HTTP/1.1\r\n${HEAD}content-length: ${body.length}\r\n\r\n`;
    const halfSent = await open(request + body.slice(0, 10));
    await open(`${request}${body}`.repeat(200)); // reads none of its answers
    const upgrading = await open("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert.match(await upgrading.read(), /^HTTP\/1\.1 400 .*not an HTTP\/1\.1 request/s);

    const beganMs = performance.now();
    const status = await server.kill("SIGTERM");
    const tookMs = performance.now() - beganMs;
    assert.ok(status.success, server.said);
    assert.ok(tookMs < 1_000 + 1_000 + SLACK_MS, `${tookMs} ms`);
    assert.equal(await idle.read(), "", "an idle connection is closed");
    // Its body was late before the stop, or is given up by it.
    assert.match(await halfSent.read(), /^HTTP\/1\.1 (408|503) .*connection: close/s);
  } finally {
    await server.kill("SIGKILL");
    for (const connection of connections) connection.close();
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("behind a balancer that looks at /health/ready, a server that stops fails no request", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "cairn-stop-" });
  const configuration = `${folder}/cairn.yaml`;
  const stopAfter = `stopAfter: ${STOP_AFTER_MS}ms`;
  Deno.writeTextFileSync(
    configuration,
    smallConfiguration("in one thread").replace("stopAfter: 0ms", stopAfter),
  );
  const server = await MeshProcess.start(configuration);
  try {
    const { client, url } = server;
    let isIn = true;
    const balance = async () => {
      while (isIn) {
        const response = await fetch(`${url}/health/ready`);
        await response.body?.cancel();
        isIn = response.ok;
      }
    };
    const visit = async (visitor: number) => {
      for (let visits = 0; isIn; visits++) {
        const rankingId = `${visitor}-${visits}`;
        await client.ask("/v1/rank", { user: "u", rankingId, candidates: [{ id: "a" }] });
        await client.post([{ eventId: rankingId, rankingId, item: "a", action: "click" }]);
      }
    };
    const visiting = Promise.all([balance(), ...[1, 2, 3].map(visit)]);
    await client.rank("u", ["a"]);
    const ended = server.kill("SIGTERM");
    await visiting;
    await client.rank("u", ["a"]); // of a balancer that has not looked since
    assert.ok((await ended).success, server.said);
  } finally {
    await server.kill("SIGKILL");
    Deno.removeSync(folder, { recursive: true });
  }
});
