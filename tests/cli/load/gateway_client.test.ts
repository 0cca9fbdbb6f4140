import assert from "node:assert/strict";
import { GatewayClient, GatewayError } from "../../../cli/load/gateway_client.ts";

/** A request that the server received. */
interface Received {
  readonly method: string;
  readonly path: string;
  readonly apiKey: string | null;
  readonly body: unknown;
}

/** A server that gives the answers in turn, then repeats the last one. */
async function answering(
  answers: readonly (() => Response)[],
  use: (client: GatewayClient, requests: readonly Received[]) => Promise<void>,
): Promise<void> {
  const requests: Received[] = [];
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      const text = await request.text();
      requests.push({
        method: request.method,
        path: new URL(request.url).pathname,
        apiKey: request.headers.get("x-api-key"),
        body: text === "" ? undefined : JSON.parse(text),
      });
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

Deno.test("a request that is answered 429 or 503 is sent again, with the key", async () => {
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

Deno.test("after the last retry the server's message is the error", async () => {
  await answering([busy(503)], async (client, requests) => {
    await assert.rejects(client.ready(), /GET \/health\/ready was answered 503: later/);
    assert.equal(requests.length, 3);
  });
});

Deno.test("a refused request is not sent again, and the error has the problem's title and detail", async () => {
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

/** The answer of a server that stored a list of profiles. */
const allStored = () => Response.json({ stored: 0, rejected: 0, profiles: [] });

Deno.test("profiles go in lists of at most 1000, and in order", async () => {
  const profiles = Array.from({ length: 2500 }, (_, i) => ({ id: `${i}`, attributes: { i } }));
  const progress: number[] = [];
  await answering([allStored, allStored, allStored], async (client, requests) => {
    await client.storeProfiles("user", profiles, (stored) => progress.push(stored));
    assert.deepEqual(requests.map(({ method, path }) => `${method} ${path}`), [
      "POST /v1/users",
      "POST /v1/users",
      "POST /v1/users",
    ]);
    assert.deepEqual(requests.flatMap(({ body }) => body), profiles);
  });
  assert.deepEqual(progress, [1000, 2000, 2500]);
});

Deno.test("large profiles go in shorter lists, and a very large one alone", async () => {
  const profiles = [100, 200_000, 100_000, 300_000, 10].map((length, i) => ({
    id: `${i}`,
    attributes: { text: "x".repeat(length) },
  }));
  await answering(Array(4).fill(allStored), async (client, requests) => {
    await client.storeProfiles("item", profiles);
    assert.deepEqual(
      requests.map(({ body }) => (body as { id: string }[]).map(({ id }) => id)),
      [["0", "1"], ["2"], ["3"], ["4"]],
    );
  });
});

Deno.test("the error of a rejected profile has the server's message", async () => {
  const partly = () =>
    Response.json({
      stored: 1,
      rejected: 1,
      profiles: [
        { id: "a", status: "stored", version: 1, updatedAtMs: 5 },
        { id: "b", status: "rejected", problem: { status: 422, detail: "#/1/attributes is 3" } },
      ],
    }, { status: 207 });
  await answering([partly], async (client) => {
    const profiles = ["a", "b"].map((id) => ({ id, attributes: {} }));
    const error = await client.storeProfiles("item", profiles).catch((error) => error);
    assert.ok(error instanceof GatewayError);
    assert.match(error.message, /POST \/v1\/items was answered 422: #\/1\/attributes is 3/);
  });
});
