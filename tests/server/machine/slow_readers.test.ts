/**
 * Goal: a client that takes its answers slowly or not at all holds no memory, and streams go on.
 */
import assert from "node:assert/strict";
import { MemoryProfileStore } from "../../../mesh/adapters/memory/memory_profile_store.ts";
import { ProfileStoreUnavailableError } from "../../../mesh/ports/profile_store.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { gatewayFixture, startMs } from "../../gateway/fixture.ts";
import { Client, eventually, listen, rank, serve, utf8 } from "./raw_http_client.ts";

Deno.test("a client that sends requests and reads no answer is cut off, and costs one answer", async () => {
  await using server = await serve();
  let answered = 0;
  server.ranker.script = (rank) => {
    answered++;
    return server.ranker.inOrder(rank);
  };
  const { connection, untilCutOff } = await server.connectUnread();
  await connection.write(utf8.encode(rank.repeat(500)));
  await untilCutOff();
  assert.ok(answered <= 16, `${answered} requests of 500 were answered`);
});

Deno.test("a client that does not take its answer is cut off, one that takes it slowly is not", async () => {
  const answer = "x".repeat(20_000_000);
  const server = await listen(() => new Response(answer));
  const request = utf8.encode("GET / HTTP/1.1\r\nhost: cairn\r\n\r\n");
  const unread = await Deno.connect(server.address);
  await unread.write(request);
  await eventually(() => unread.write(utf8.encode("\r\n")).then(() => false, () => true));
  unread.close();

  const slow = await Deno.connect(server.address);
  await slow.write(request);
  let bytes = 0;
  for (const buffer = new Uint8Array(1 << 20); bytes < answer.length;) {
    const count = await slow.read(buffer);
    assert.ok(count !== null, `cut off after ${bytes} bytes`);
    bytes += count;
  }
  slow.close();
  server.abort();
  await server.close();
});

Deno.test("a stream of events stays open while events come, and is cut off when none come", async () => {
  let eventsLeft = 20;
  const server = await listen(() => {
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 25));
        if (eventsLeft === 0) return await new Promise(() => {});
        controller.enqueue(utf8.encode(`data: ${--eventsLeft}\n\n`));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const client = new Client(await Deno.connect(server.address));
  await client.send("GET / HTTP/1.1\r\nhost: cairn\r\n\r\n");
  await client.until("data: 0\n");
  await client.untilClosed();
  server.abort();
  await server.close();
});

Deno.test("an export is written page by page, and one that fails breaks the connection", async () => {
  const store = new MemoryProfileStore(new VirtualClock({ startMs }));
  const fixture = gatewayFixture({ profiles: store });
  for (let i = 0; i < 250; i++) await store.put("item", `${i}`, { i });
  const server = await listen((request) => fixture.app.fetch(request), {
    headersTimeoutMs: 30_000,
    requestTimeoutMs: 30_000,
    idleTimeoutMs: 30_000,
  });
  const url = `http://127.0.0.1:${server.address.port}/v1/items.jsonl`;
  const list = store.list.bind(store);
  const held = Promise.withResolvers<void>();
  try {
    store.list = async (kind, cursor, limit) => {
      if (cursor !== undefined) await held.promise;
      return await list(kind, cursor, limit);
    };
    const response = await fetch(url);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const { value: first } = await reader.read();
    assert.match(first ?? "", /^\{"id":"0"/, "the first page comes before the second is read");
    held.resolve();
    let text = first ?? "";
    for (let read = await reader.read(); !read.done; read = await reader.read()) text += read.value;
    assert.equal(text.trimEnd().split("\n").length, 250);

    store.list = (kind, cursor, limit) =>
      cursor === undefined
        ? list(kind, cursor, limit)
        : Promise.reject(new ProfileStoreUnavailableError("the disk", "it is gone"));
    const broken = await fetch(url);
    assert.equal(broken.status, 200);
    await assert.rejects(broken.text(), TypeError);
  } finally {
    server.abort();
    await server.close();
  }
});
