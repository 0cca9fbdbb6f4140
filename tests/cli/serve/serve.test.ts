import assert from "node:assert/strict";

const main = new URL("../../../main.ts", import.meta.url).pathname;

/** `cairn serve` as a process of its own, and its lines on stderr. */
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
  assert.match(
    first.said(),
    /SIGTERM: finishing what is under way\. A second signal ends .*at once/,
  );
  assert.match(first.said(), /All data is in memory .*storage: \{ kind: directory, path: data \}/);
});

Deno.test("serve says which snapshot it begins from, and that an import is unfinished", async () => {
  const folder = await Deno.makeTempDir({ prefix: "cairn-serve-" });
  const storage = `--set=storage={ kind: directory, path: ${folder}/data }`;
  const said: string[] = [];
  try {
    await Deno.mkdir(`${folder}/data`);
    const open = { key: "k", visits: 7, offsets: [14], isComplete: false };
    await Deno.writeTextFile(`${folder}/data/import.json`, JSON.stringify(open));
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
      await Deno.remove(`${folder}/data/import.json`).catch(() => {});
    }
    assert.doesNotMatch(said[0], /begins from|in memory/);
    assert.match(said[0], /An import into .*data was interrupted, .* run the same import again/);
    assert.doesNotMatch(said[1], /interrupted/);
    assert.match(said[1], /embedding_shard\/0 begins from snapshots\/\d+/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("serve ends in time though a client never finishes its body", async () => {
  const server = await serving(0, "--set=gateway.deadline=300ms");
  const { hostname, port } = new URL(server.url ?? "");
  const connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(
    new TextEncoder().encode(
      "POST /v1/rank HTTP/1.1\r\nhost: cairn\r\ncontent-type: application/json\r\n" +
        "content-length: 10\r\n\r\nhello",
    ),
  );
  await fetch(`${server.url}/health/live`);
  server.process.kill("SIGTERM");
  const beganMs = performance.now();
  assert.equal(await server.ended, 0, server.said());
  assert.ok(performance.now() - beganMs < 10_000, "it waited for the client");
  connection.close();
});

/** Whether npm is there to start the server as the README does. */
const npm = await new Deno.Command("npm", { args: ["--version"], stdout: "null", stderr: "null" })
  .output().then(({ success }) => success, () => false);

/** Processes with `text` in their command line. */
async function processesWith(text: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (line.includes(text)) found.push(line.replaceAll("\0", " "));
  }
  return found;
}

for (const signal of ["SIGTERM to npm", "SIGINT to the process group"]) {
  Deno.test({
    name: `serve under npm and deno task takes a last snapshot and leaves no orphan: ${signal}`,
    // Elsewhere the end of npm is not noticed.
    ignore: !npm || Deno.build.os !== "linux",
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "cairn-orphan-" });
      const storage = `storage={ kind: directory, path: ${folder}/data }`;
      const process = new Deno.Command("npm", {
        args: [
          "exec",
          "-c",
          // Ctrl-C waits for no load balancer.
          `${Deno.execPath()} task cairn serve --port 0 --set '${storage}' ` +
          `--set gateway.stopAfter=${signal.startsWith("SIGINT") ? "10m" : "0ms"}`,
        ],
        cwd: new URL("../../../", import.meta.url).pathname,
        stdin: "null",
        stdout: "null",
        stderr: "piped",
        detached: true,
        env: { NO_COLOR: "1" },
      }).spawn();
      let said = "";
      for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
        said += text;
        if (!said.includes("serves on")) continue;
        // The stream ends when the last process that has it ends.
        if (said.includes("finishing what is under way")) continue;
        if (signal.startsWith("SIGTERM")) process.kill("SIGTERM");
        else Deno.kill(-process.pid, "SIGINT");
      }
      await process.status;
      assert.match(said, /finishing what is under way/);
      assert.deepEqual(await processesWith(folder), []);
      const snapshots = Array.from(Deno.readDirSync(`${folder}/data/blobs/snapshots`));
      assert.ok(snapshots.length > 0, `no last snapshot:\n${said}`);
      await Deno.remove(folder, { recursive: true });
    },
  });
}
