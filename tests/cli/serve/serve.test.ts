import assert from "node:assert/strict";

const main = new URL("../../../main.ts", import.meta.url).pathname;

/** `cairn serve` as a process of its own, and what it says on stderr. */
async function serving(port: number, ...args: string[]) {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", main, "serve", "--port", String(port), ...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  let said = "";
  const url = Promise.withResolvers<string | undefined>();
  const ended = (async () => {
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
      said += text;
      const found = /serves on (http:\S+)/.exec(said);
      if (found !== null) url.resolve(found[1]);
    }
    url.resolve(undefined);
    return (await process.status).code;
  })();
  return { process, url: await url.promise, ended, said: () => said };
}

Deno.test("serve says where, answers, refuses a taken port in words, and ends cleanly on a signal", async () => {
  const first = await serving(0);
  assert.ok(first.url !== undefined, first.said());
  try {
    const ready = await fetch(`${first.url}/health/ready`);
    assert.equal(ready.status, 200);
    assert.equal((await ready.json()).status, "ready");

    const second = await serving(Number(new URL(first.url).port));
    assert.equal(second.url, undefined);
    assert.equal(await second.ended, 1);
    assert.match(second.said(), /Cannot listen on 127\.0\.0\.1:\d+: another program listens there/);
  } finally {
    first.process.kill("SIGTERM");
  }
  assert.equal(await first.ended, 0, first.said());
  assert.match(first.said(), /SIGTERM: finishing what is under way/);
});

Deno.test("serve says which snapshot it begins from", async () => {
  const folder = await Deno.makeTempDir({ prefix: "cairn-serve-" });
  const storage = `--set=storage={ kind: directory, path: ${folder}/data }`;
  const said: string[] = [];
  try {
    for (let run = 0; run < 2; run++) {
      const server = await serving(0, storage, "--set=shards.count=1");
      const ranked = await fetch(`${server.url}/v1/rank`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ user: "ann", candidates: [{ id: "heat" }] }),
      });
      assert.equal(ranked.status, 200, await ranked.text());
      server.process.kill("SIGTERM");
      assert.equal(await server.ended, 0, server.said());
      said.push(server.said());
    }
    assert.doesNotMatch(said[0], /begins from/);
    assert.match(said[1], /embedding_shard\/0 begins from snapshots\/\d+/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
