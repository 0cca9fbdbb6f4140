/**
 * Goal: a start loads no module that it does not use, because each takes time before the first
 * ranking. Method: the graph of static imports, as Deno reports it.
 */
import assert from "node:assert/strict";

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly isDynamic?: boolean;
    }[];
  }[];
}

const root = new URL("../../../", import.meta.url);

/** The modules that `entry` loads before it runs, by their paths or packages. */
async function loadedBy(entry: string): Promise<string[]> {
  const { href } = new URL(entry, root);
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", href],
    cwd: root,
    stderr: "null",
  }).output();
  assert.ok(success, `deno info ${entry}`);
  const { modules }: Graph = JSON.parse(new TextDecoder().decode(stdout));
  const imports = new Map(modules.map(({ specifier, dependencies = [] }) => [
    specifier,
    dependencies.flatMap(({ code, isDynamic }) =>
      code?.specifier === undefined || isDynamic ? [] : [code.specifier]
    ),
  ]));
  const loaded = new Set([href]);
  for (const module of loaded) for (const next of imports.get(module) ?? []) loaded.add(next);
  return [...loaded].map((specifier) => specifier.replace(root.href, ""));
}

function assertAbsent(loaded: readonly string[], absent: readonly string[]): void {
  for (const part of absent) {
    assert.deepEqual(loaded.filter((module) => module.includes(part)), [], part);
  }
}

Deno.test("a server loads the client of Redis and S3 only where it is configured", async () => {
  const loaded = [
    ...await loadedBy("cli/serve/serve.ts"),
    ...await loadedBy("server/machine/start_mesh.ts"),
  ];
  // Names as the other assertions expect them.
  for (const part of ["gateway/app.ts", "npm:zod@", "node:sqlite", "actors/joiner/joiner.ts"]) {
    assert.ok(loaded.some((module) => module.includes(part)), part);
  }
  assertAbsent(loaded, ["@redis/client", "aws4fetch", "mesh/adapters/redis/"]);
});

Deno.test("serve and node begin their worker threads before they load the server", async () => {
  for (const command of ["cli/serve/serve.ts", "cli/node/node.ts"]) {
    const loaded = await loadedBy(command);
    assert.ok(loaded.includes("server/machine/begin_threads.ts"), command);
    assertAbsent(loaded, [
      "server/machine/machine.ts",
      "gateway/app.ts",
      "node:sqlite",
      "npm:hono",
    ]);
  }
});

Deno.test("a worker thread loads neither the configuration nor the actors of the main thread", async () => {
  const loaded = await loadedBy("server/machine/worker.ts");
  assert.ok(loaded.includes("actors/trainer/trainer.ts"), "the graph has the actors that compute");
  assertAbsent(loaded, [
    "@redis/client",
    "aws4fetch",
    "npm:zod@",
    "node:sqlite",
    "actors/joiner/joiner.ts",
    "actors/ranker/ranker.ts",
    "gateway/",
  ]);
});

Deno.test("the command line loads a command's modules when the command runs", async () => {
  const metadata = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  assert.ok(
    metadata.unstable.includes("lazy-dynamic-imports"),
    "Deno reads dynamic imports whose names are literals before a start without this",
  );
  assertAbsent(await loadedBy("main.ts"), ["server/", "gateway/", "npm:yaml@", "npm:hono@"]);
});
