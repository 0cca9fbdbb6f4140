import assert from "node:assert/strict";

/**
 * Bytes per request that may become old. Requests in progress at a collection do: 5 of 100 requests
 * of some 2.5 kB. With Maps it was 760.
 */
const BYTES_OLD_MAX = 400;

Deno.test("requests that were answered do not become old", async () => {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--v8-flags=--expose-gc",
      new URL("./retention_probe.ts", import.meta.url).pathname,
    ],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.ok(success, text(stderr));
  const bytesOld = Number(text(stdout));
  assert.ok(bytesOld < BYTES_OLD_MAX, `${bytesOld} bytes of each request became old`);
});
