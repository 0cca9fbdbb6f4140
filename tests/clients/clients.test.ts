/**
 * Both clients against a real server process behind a proxy that fails requests: the same uses in
 * Deno, Node and Python, with the same findings.
 */
import assert from "node:assert/strict";
import { freePort } from "../free_ports.ts";
import { MeshProcess } from "../integration/mesh_process.ts";
import { recommendations, smallConfiguration } from "../integration/small_mesh.ts";
import { FaultyProxy } from "./faulty_proxy.ts";

/** Nothing listens there. */
const nowhere = `http://127.0.0.1:${freePort()}`;
const here = new URL("./", import.meta.url).pathname;
const clients = new URL("../../clients/", import.meta.url).pathname;

const expected = {
  put: [1, { tags: ["a"], price: 2 }],
  get: { tags: ["a"], price: 2 },
  absent: null,
  putMany: [1200, 1, 1201, "rejected"],
  deleted: null,
  erasure: [false, true],
  patch: { price: 3 },
  listed: [1199, true],
  stale: 0,
  rank: [3, "number"],
  shown: [true, 3, null],
  notShown: ["item-not-shown", 1],
  lost: [[[true], "item-not-shown"]],
  again: [0, 3, 0],
  mixed: [1, 0, 1, "rejected"],
  recommended: 5,
  similar: 3,
  wrong: ["invalid-request", 422, 1, "#/candidates"],
  givenUp: ["unknown", 502, 2, "<h1>Bad gateway</h1>"],
  unreachable: 2,
  closed: 1,
  afterClose: "CairnQueueError",
};

async function run(command: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, 0, text + new TextDecoder().decode(stderr));
  return text;
}

/** Whether the command runs; says so where it does not. */
async function isInstalled(command: string): Promise<boolean> {
  const { success } = await new Deno.Command(command, { args: ["--version"] }).output()
    .catch(() => ({ success: false }));
  if (!success) console.log(`${command} is not installed, so the client was not run with it.`);
  return success;
}

Deno.test("both clients do the same in Deno, Node and Python behind a failing network", async (t) => {
  const folder = Deno.makeTempDirSync();
  Deno.writeTextFileSync(
    `${folder}/cairn.yaml`,
    smallConfiguration("in one thread") + recommendations,
  );
  const server = await MeshProcess.start(`${folder}/cairn.yaml`);
  const proxy = await FaultyProxy.start(server.url);

  /** Runs a scenario, and compares its findings and its requests. */
  async function compare(prefix: string, command: string, args: readonly string[]) {
    proxy.seen.length = 0;
    const text = await run(command, [...args, proxy.url, prefix, nowhere]);
    assert.deepEqual(JSON.parse(text), expected);
    // The ranking is lost after it was logged, then known, then asked for without logging it.
    assert.deepEqual(proxy.seen.filter((request) => request.includes("/v1/rank")).slice(0, 6), [
      "POST /v1/rank 503",
      "POST /v1/rank 502",
      "POST /v1/rank -",
      "POST /v1/rank -",
      "POST /v1/rank 409",
      "POST /v1/rank 200",
    ]);
    assert.deepEqual(proxy.seen.filter((request) => request.includes("/v1/events")).slice(0, 5), [
      "POST /v1/events 503",
      "POST /v1/events -",
      "POST /v1/events -",
      "POST /v1/events 200",
      "POST /v1/events 422",
    ]);
  }

  try {
    await t.step("Deno", () =>
      compare("deno", Deno.execPath(), [
        ...["run", "--allow-net", "--allow-read", "--no-check", `${here}scenario.ts`],
        `${clients}cairn.ts`,
      ]));
    await t.step({
      name: "Node",
      ignore: !await isInstalled("node"),
      fn: async () => {
        const transpile = (from: string, to: string) =>
          run(Deno.execPath(), ["transpile", "--no-check", from, "-o", `${folder}/${to}`]);
        await transpile(`${clients}cairn.ts`, "cairn.mjs");
        await transpile(`${here}scenario.ts`, "scenario.mjs");
        await compare("node", "node", [`${folder}/scenario.mjs`, `${folder}/cairn.mjs`]);
      },
    });
    await t.step({
      name: "Python",
      ignore: !await isInstalled("python3"),
      fn: () => compare("python", "python3", [`${here}scenario.py`, clients]),
    });
  } finally {
    await proxy.close();
    await server.kill("SIGTERM");
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "the Python client batches, waits and gives up as its tests say",
  ignore: !await isInstalled("python3"),
  fn: async () => {
    await run("python3", ["-B", `${here}cairn_test.py`, clients]);
  },
});
