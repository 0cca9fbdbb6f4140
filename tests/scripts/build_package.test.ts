import assert from "node:assert/strict";
import metadata from "../../deno.json" with { type: "json" };
import { asInPackage, buildPackage } from "../../scripts/build_package.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("commands and workers have the names of the package", () => {
  assert.equal(asInPackage("npx -y deno task cairn serve"), "cairn serve");
  assert.equal(asInPackage("deno task demo:mesh --json"), "cairn demo-mesh --json");
  assert.equal(asInPackage("deno task demo --keep"), "cairn demo --keep");
  assert.equal(asInPackage("deno task ok"), "deno task ok");
  assert.equal(
    asInPackage('new URL("./worker.ts", import.meta.url)'),
    'new URL("./worker.js", import.meta.url)',
  );
});

Deno.test("the package ranks in an empty folder, and stops when its command is told to", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "cairn-installed-" }));
  try {
    await install(await buildPackage(folder), folder);
    const command = `${folder}/node_modules/cairn/bin/cairn.mjs`;
    assert.match(
      await output(command, folder, "--version"),
      new RegExp(`cairn ${metadata.version}`),
    );
    assert.match(await output(command, folder, "serve", "--help"), /^ +cairn serve --config/m);

    // Worker threads: their names are the ones that the package must translate.
    const server = new Deno.Command("node", {
      args: [
        ...[command, "serve", "--port", "0", "--set", "placement.kind=workers"],
        ...["--set", "storage={ kind: directory, path: data }", "--set", `gateway.deadline=30s`],
      ],
      cwd: folder,
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { url, said } = await addressOf(server);
    const post = async (path: string, body: unknown) => {
      const response = await fetch(`${url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      assert.equal(response.status, 200, text);
      return JSON.parse(text);
    };
    await post("/v1/rank", { user: "ann", candidates: [{ id: "heat" }] });
    // The first stored profile starts the thread that writes profiles.
    const { profiles } = await post("/v1/items", [{ id: "heat", attributes: { year: "1995" } }]);
    assert.equal(profiles[0].status, "stored", JSON.stringify(profiles));
    server.kill("SIGTERM");
    const { code } = await server.status;
    assert.equal(code, 0, await said);
    await assert.rejects(fetch(`${url}/health/live`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Installs the tarball as `npm install` would, with the dependencies of this repository. */
async function install(tarball: string, folder: string): Promise<void> {
  const modules = `${folder}/node_modules`;
  await Deno.mkdir(`${modules}/cairn`, { recursive: true });
  const tar = new Deno.Command("tar", {
    args: ["xzf", tarball, "-C", `${modules}/cairn`, "--strip-components", "1"],
  });
  assert.ok((await tar.output()).success);
  const manifest = JSON.parse(await Deno.readTextFile(`${modules}/cairn/package.json`));
  assert.equal(manifest.dependencies.deno, Deno.version.deno);
  for (const name of Object.keys(manifest.dependencies)) {
    if (name === "deno") continue;
    if (name.includes("/")) {
      await Deno.mkdir(`${modules}/${name.slice(0, name.indexOf("/"))}`, { recursive: true });
    }
    await Deno.symlink(await Deno.realPath(`${ROOT}node_modules/${name}`), `${modules}/${name}`);
  }
  // The package `deno` is a program of 95 MB: the one that runs this test has its place.
  await Deno.mkdir(`${modules}/deno`);
  await Deno.writeTextFile(
    `${modules}/deno/install_api.cjs`,
    `exports.runInstall = () => ${JSON.stringify(Deno.execPath())};`,
  );
}

async function output(command: string, cwd: string, ...args: string[]): Promise<string> {
  const run = await new Deno.Command("node", { args: [command, ...args], cwd }).output();
  assert.ok(run.success, new TextDecoder().decode(run.stderr));
  return new TextDecoder().decode(run.stdout);
}

/** The address that a starting server prints, and later everything that it printed. */
async function addressOf(
  server: Deno.ChildProcess,
): Promise<{ url: string; said: Promise<string> }> {
  let text = "";
  const { promise: url, resolve, reject } = Promise.withResolvers<string>();
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      text += part;
      const found = /serves on (http:\S+\d)/.exec(text);
      if (found !== null) resolve(found[1]);
    }
  };
  const said = Promise.all([read(server.stdout), read(server.stderr)]).then(() => text);
  said.then(() => reject(new Error(`The server has ended: ${text}`)));
  return { url: await url, said };
}
