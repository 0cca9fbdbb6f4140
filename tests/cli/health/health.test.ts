import assert from "node:assert/strict";
import { freePort } from "../../free_ports.ts";
import { runCaptured } from "../captured_command.ts";

/** Serves one fixed answer by path and gives its address to `use`. */
async function withAnswers(
  answers: Record<string, [status: number, text: string]>,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const [status, text] = answers[new URL(request.url).pathname] ?? [404, "not found"];
    return new Response(text, { status });
  });
  try {
    await use(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

Deno.test("a server that can rank gives exit code 0 and its answer", async () => {
  await withAnswers({ "/health/ready": [200, '{"status":"ready"}'] }, async (url) => {
    assert.deepEqual(await runCaptured("health", "--url", url), {
      code: 0,
      out: '{"status":"ready"}\n',
      err: "",
    });
  });
});

Deno.test("a server that restores is live and not ready", async () => {
  const answers: Record<string, [number, string]> = {
    "/health/live": [200, '{"status":"live"}'],
    "/health/ready": [503, '{"title":"not ready"}'],
  };
  await withAnswers(answers, async (url) => {
    const ready = await runCaptured("health", "--url", url);
    assert.equal(ready.code, 1);
    assert.match(ready.err, /answers 503: \{"title":"not ready"\}/);
    assert.equal((await runCaptured("health", "--live", "--url", url)).code, 0);
  });
});

Deno.test("no server gives exit code 1, and an address that is none exit code 2", async () => {
  const { code, err } = await runCaptured("health", "--url", `http://127.0.0.1:${freePort()}`);
  assert.equal(code, 1);
  assert.match(err, /does not answer/);
  const wrong = await runCaptured("health", "--url", "shop");
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /give an address like/);
});
