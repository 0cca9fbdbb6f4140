/**
 * Goal: a host whose start stands still says at what, and ends when it is told to. Method: a real
 * process with a module that is never loaded, or with a server that accepts connections and answers
 * nothing.
 */
import assert from "node:assert/strict";
import metadata from "../../deno.json" with { type: "json" };
import { freePorts } from "../free_ports.ts";
import { eventually } from "./mesh_process.ts";
import { smallConfiguration } from "./small_mesh.ts";

const root = new URL("../../", import.meta.url);

/** The imports of deno.json, with the paths in packages that it implies. */
const imports = Object.fromEntries(
  Object.entries(metadata.imports).flatMap(([name, target]) => [
    [name, target],
    [`${name}/`, `${target.replace("npm:", "npm:/")}/`],
  ]),
);

/** Starts that stand still, by the modules that others are loaded for, and the step. */
const starts = [
  {
    what: "whose modules do not load",
    replaced: {
      [new URL("server/machine/start_host.ts", root).href]:
        "data:text/javascript,setInterval(() => {}, 1e3);await new Promise(() => {})",
    },
    step: /is starting: loading the modules/,
  },
  { what: "whose server is silent", replaced: {}, step: /is starting: opening the stores/ },
];

for (const { what, replaced, step } of starts) {
  Deno.test(`a host ${what} says so, and ends when it is told to stop`, async () => {
    const folder = Deno.makeTempDirSync();
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const [link, http] = freePorts(2);
    const storage = "{ kind: directory, path: data, " +
      `redis: { url: "redis://127.0.0.1:${silent.addr.port}" } }`;
    const yaml = `${smallConfiguration("in worker threads", storage)}
mesh:
  id: shop
  hosts:
    one:
      address: "127.0.0.1:${link}"
      roles: [serving, shards, trainer, joiner]
      http: "127.0.0.1:${http}"
`;
    Deno.writeTextFileSync(`${folder}/mesh.yaml`, yaml);
    Deno.writeTextFileSync(
      `${folder}/imports.json`,
      JSON.stringify({ imports: { ...imports, ...replaced } }),
    );
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--no-check", `--import-map=${folder}/imports.json`],
        ...[new URL("main.ts", root).href, "node", "--host", "one"],
        ...["--config", `${folder}/mesh.yaml`],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    try {
      const standsStill = async () => {
        const answer = await fetch(`http://127.0.0.1:${http}/health/ready`).catch(() => undefined);
        return step.test(await answer?.text() ?? "");
      };
      const stoodStill = await eventually(standsStill);
      process.kill("SIGTERM");
      const { code, stderr } = await process.output();
      const said = new TextDecoder().decode(stderr);
      assert.ok(stoodStill, said);
      assert.equal(code, 0, said);
    } finally {
      try {
        process.kill("SIGKILL");
      } catch { /* it has ended */ }
      Deno.removeSync(folder, { recursive: true });
    }
  });
}
