/**
 * The S3 blob store against Debian's moto, a server of the protocol.
 */
import assert from "node:assert/strict";
import {
  S3BlobStore,
  S3Error,
  type S3Options,
} from "../../../../mesh/adapters/s3/s3_blob_store.ts";
import { BlobDamagedError } from "../../../../mesh/ports/blob_store.ts";
import { blobStoreContract } from "../../../contracts/blob_store_contract.ts";
import { withMoto } from "./moto.ts";

const main = new URL("../../../../main.ts", import.meta.url).pathname;

/** A store that answers each request by `answer`; the headers of the requests that it got. */
async function withStore(
  answer: () => Response,
  work: (endpoint: string, headers: readonly Headers[]) => Promise<void>,
): Promise<void> {
  const headers: Headers[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    headers.push(request.headers);
    return answer();
  });
  try {
    await work(`http://127.0.0.1:${server.addr.port}`, headers);
  } finally {
    await server.shutdown();
  }
}

const temporary = {
  bucket: "movies",
  prefix: "",
  region: "us-east-1",
  accessKeyId: "key",
  secretAccessKey: "secret",
  sessionToken: "a-token",
};

Deno.test("the token of temporary keys is sent, and signed", async () => {
  await withStore(() => new Response(), async (endpoint, headers) => {
    await new S3BlobStore({ endpoint, ...temporary }).put("a", Uint8Array.of(1));
    assert.equal(headers[0].get("x-amz-security-token"), "a-token");
    const authorization = headers[0].get("authorization") ?? "";
    assert.match(authorization, /SignedHeaders=[^,]*;x-amz-security-token,/);
  });
});

Deno.test("a token that has ended is an error that says so", async () => {
  const ended =
    "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message>" +
    "</Error>";
  await withStore(() => new Response(ended, { status: 400 }), async (endpoint) => {
    const error = await new S3BlobStore({ endpoint, ...temporary }).get("a").catch((error) =>
      error
    );
    assert.ok(error instanceof S3Error, String(error));
    assert.match(error.message, /token has expired\. Make new keys.* storage\.s3\.sessionToken/);
  });
});

Deno.test("an answer that breaks off is asked for again, and its error says what to do", async () => {
  const broken = () =>
    new Response(
      new ReadableStream({
        start(stream) {
          stream.enqueue(Uint8Array.of(1));
          stream.error(new Error("broken off"));
        },
      }),
    );
  const answers = [broken, () => new Response(Uint8Array.of(1, 2))];
  await withStore(() => (answers.shift() ?? broken)(), async (endpoint) => {
    const store = new S3BlobStore({ endpoint, ...temporary });
    assert.deepEqual(await store.get("a"), Uint8Array.of(1, 2));
    const error = await store.list("").catch((error) => error);
    assert.ok(error instanceof S3Error, String(error));
    assert.match(error.message, /^Cannot list .*Check storage\.s3\.endpoint/);
  });
});

await withMoto(({ endpoint, keys, client, makeBucket }) => {
  const open = async (options: Partial<S3Options> = {}) => {
    const bucket = await makeBucket();
    const all = { endpoint, bucket, prefix: "cairn/", ...keys, ...options };
    return { store: new S3BlobStore(all), bucket };
  };

  blobStoreContract("S3 blob store", async () => {
    const { store } = await open();
    return { store, dispose: () => Promise.resolve() };
  });

  Deno.test("a list has all pages, and names with any characters", async () => {
    const { store } = await open();
    const names = Array.from({ length: 1_050 }, (_, i) => `many/${String(i).padStart(4, "0")}`);
    const odd = ["a b", "a+b", "ü/Ω", "x&y", "50%"];
    for (let i = 0; i < names.length; i += 50) {
      await Promise.all(names.slice(i, i + 50).map((name) => store.put(name, new Uint8Array(1))));
    }
    for (const name of odd) await store.put(`odd/${name}`, new TextEncoder().encode(name));
    assert.deepEqual(await store.list("many/"), names);
    assert.deepEqual(await store.list("odd/"), odd.map((name) => `odd/${name}`).toSorted());
    for (const name of odd) {
      assert.equal(new TextDecoder().decode(await store.get(`odd/${name}`)), name);
    }
  });

  Deno.test("the bucket may be in the name of the host", async () => {
    const { store, bucket } = await open();
    const folder = await Deno.makeTempDir();
    try {
      await store.put("snapshots/001/manifest.json", new TextEncoder().encode("{}"));
      const file = `${folder}/cairn.yaml`;
      const { accessKeyId, secretAccessKey } = keys;
      const s3 = `{ endpoint: "http://s3.test", bucket: ${bucket}, prefix: cairn/, ` +
        `addressing: virtualHost, accessKeyId: ${accessKeyId}, secretAccessKey: ${secretAccessKey} }`;
      await Deno.writeTextFile(
        file,
        `features: { slots: { user: { kind: id, source: user } } }\n` +
          `storage: { kind: directory, path: data, s3: ${s3} }\n`,
      );
      // No name server knows the host; a process whose proxy is moto asks moto for it.
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", main, "snapshot", "pin", file, "001"],
        env: { HTTP_PROXY: endpoint, NO_PROXY: "" },
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      const pinned = ["snapshots/001/manifest.json", "snapshots/001/pinned"];
      assert.deepEqual(await store.list(""), pinned);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  Deno.test("bytes that changed in the store are an error that names the object", async () => {
    const { store, bucket } = await open();
    await store.put("a", Uint8Array.of(1, 2, 3));
    const url = `${endpoint}/${bucket}/cairn/a`;
    const before = await client.fetch(url);
    const digest = before.headers.get("x-amz-meta-sha256") ?? "";
    await before.body?.cancel();
    const changed = await client.fetch(url, {
      method: "PUT",
      headers: { "x-amz-meta-sha256": digest },
      body: Uint8Array.of(1, 2, 4),
    });
    await changed.body?.cancel();
    const error = await store.get("a").catch((error) => error);
    assert.ok(error instanceof BlobDamagedError, String(error));
    assert.match(error.message, /cairn\/a: its checksum does not match/);
  });

  Deno.test("a missing bucket and a store that is away are errors that say what to do", async () => {
    const { store: nowhere } = await open({ bucket: "never-made" });
    for (const call of [() => nowhere.get("a"), () => nowhere.put("a", new Uint8Array(1))]) {
      const error = await call().catch((error) => error);
      assert.ok(error instanceof S3Error, String(error));
      assert.match(error.message, /in the bucket never-made .*Create the bucket/);
    }
    const { store: away } = await open({ endpoint: "http://127.0.0.1:1" });
    const error = await away.list("").catch((error) => error);
    assert.ok(error instanceof S3Error, String(error));
    assert.match(error.message, /Check storage\.s3\.endpoint, and that the store answers/);
  });
});
