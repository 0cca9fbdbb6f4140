import assert from "node:assert/strict";
import { GatewayClient, GatewayError } from "../../cli/load/gateway_client.ts";

/** What the server was sent. */
interface Received {
  readonly method: string;
  readonly path: string;
  readonly apiKey: string | null;
}

/** A server that gives one answer after the other, the last one for ever. */
async function answering(
  answers: readonly (() => Response)[],
  use: (client: GatewayClient, requests: readonly Received[]) => Promise<void>,
): Promise<void> {
  const requests: Received[] = [];
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      requests.push({
        method: request.method,
        path: new URL(request.url).pathname,
        apiKey: request.headers.get("x-api-key"),
      });
      await request.text();
      return answers[Math.min(requests.length, answers.length) - 1]();
    },
  );
  try {
    const url = `http://127.0.0.1:${server.addr.port}/`;
    await use(
      new GatewayClient({ url, apiKey: "key-1", retriesMax: 2, retryDelayMsMax: 1 }),
      requests,
    );
  } finally {
    await server.shutdown();
  }
}

const busy = (status: number) => () =>
  new Response("later", { status, headers: { "retry-after": "0" } });
const ready = () => Response.json({ status: "ready", modelVersion: 3, learnedThroughMs: 5 });

Deno.test("what is said to be for later is asked again, with the key", async () => {
  await answering([busy(429), busy(504), ready], async (client, requests) => {
    assert.equal((await client.ready()).modelVersion, 3);
    assert.equal(client.retries, 2);
    assert.deepEqual(requests.map(({ apiKey }) => apiKey), [
      "key-1",
      "key-1",
      "key-1",
    ]);
    assert.equal(requests[0].path, "/health/ready");
  });
});

Deno.test("patience ends, and then the server's words are the error", async () => {
  await answering([busy(503)], async (client, requests) => {
    await assert.rejects(client.ready(), /GET \/health\/ready was answered 503: later/);
    assert.equal(requests.length, 3);
  });
});

Deno.test("a refusal is not asked again and tells the problem's title and detail", async () => {
  const problem = () =>
    Response.json({ title: "The request has wrong fields", detail: "#/user is missing" }, {
      status: 422,
    });
  await answering([problem], async (client, requests) => {
    const error = await client.rank({ user: "", candidates: [] }).catch((error) => error);
    assert.ok(error instanceof GatewayError);
    assert.equal(error.status, 422);
    assert.match(error.message, /The request has wrong fields: #\/user is missing/);
    assert.equal(requests.length, 1);
  });
});

Deno.test("ids are escaped in paths", async () => {
  await answering([ready], async (client, requests) => {
    await client.putItem("a/b c", { year: 1994 });
    assert.equal(requests[0].path, "/v1/items/a%2Fb%20c");
    assert.equal(requests[0].method, "PUT");
  });
});
