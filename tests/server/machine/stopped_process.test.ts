/**
 * Goal: requests that arrived while the process was stopped are answered. Method: a client in a
 * worker sends while this thread, and with it the event loop of the server, is held in
 * `Atomics.wait` for longer than every timeout. No SIGSTOP is needed: the loop wakes as after one.
 */
import assert from "node:assert/strict";
import { listen } from "./raw_http_client.ts";

const TIMEOUT_MS = 400;
/** Longer than each timeout of the server. */
const STOP_MS = 1_000;

const client = `
  const utf8 = new TextEncoder();
  const text = new TextDecoder();
  self.onmessage = async ({ data: { address, before, during, gate } }) => {
    const connection = await Deno.connect(address);
    if (before !== "") await connection.write(utf8.encode(before));
    self.postMessage({ kind: "connected" });
    Atomics.wait(gate, 0, 0);
    await connection.write(utf8.encode(during));
    Atomics.store(gate, 1, 1);
    Atomics.notify(gate, 1);
    let received = "";
    const buffer = new Uint8Array(65_536);
    while (!received.includes("complete")) {
      const count = await connection.read(buffer).catch(() => null);
      if (count === null) break;
      received += text.decode(buffer.subarray(0, count));
    }
    connection.close();
    self.postMessage({ kind: "received", received });
  };
`;

const body = '{"is":"complete"}';
const headers = `POST / HTTP/1.1\r\nhost: cairn\r\ncontent-length: ${body.length}\r\n\r\n`;
const cases: Record<string, readonly [before: string, during: string]> = {
  "a whole request on a new connection": ["", headers + body],
  "the rest of the headers": [headers.slice(0, 40), headers.slice(40) + body],
  "the body": [headers, body],
  "the rest of the body": [headers + body.slice(0, 5), body.slice(5)],
};

for (const [name, [before, during]] of Object.entries(cases)) {
  Deno.test(`${name} that comes while the process is stopped is read, not refused as late`, async () => {
    const server = await listen(async (request) => {
      const reader = request.body!.getReader();
      let bytes = 0;
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        bytes += read.value.byteLength;
      }
      return new Response(bytes === body.length ? "complete" : "cut");
    }, {
      headersTimeoutMs: TIMEOUT_MS,
      requestTimeoutMs: TIMEOUT_MS,
      idleTimeoutMs: 100 * TIMEOUT_MS,
      checkIntervalMs: 30,
    });
    const url = URL.createObjectURL(new Blob([client], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    const next = () =>
      new Promise<{ kind: string; received: string }>((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => reject(event.error ?? new Error(event.message));
      });
    try {
      const gate = new Int32Array(new SharedArrayBuffer(8));
      const connected = next();
      worker.postMessage({ address: server.address, before, during, gate });
      await connected;
      // The server takes the connection and the first bytes.
      await new Promise((resolve) => setTimeout(resolve, 20));
      const received = next();
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
      assert.notEqual(Atomics.wait(gate, 1, 0, 30_000), "timed-out", "the client has sent");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STOP_MS);
      assert.match((await received).received, /^HTTP\/1\.1 200 [^]*complete/);
    } finally {
      worker.terminate();
      URL.revokeObjectURL(url);
      server.abort();
      await server.close();
    }
  });
}
