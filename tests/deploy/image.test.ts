/**
 * Goal: the image starts Cairn as `deno task cairn` does, with a valid configuration.
 * `scripts/check_image.ts` builds the image and runs it.
 */
import assert from "node:assert/strict";
import { parseDocument } from "yaml";
import { parseConfiguration } from "../../configuration/configuration.ts";
import metadata from "../../deno.json" with { type: "json" };

function fileText(path: string): string {
  return Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
}

Deno.test("the image runs with the V8 flags of the task `tuned`", () => {
  const flags = (text: string) => /--v8-flags=(\S+)/.exec(text)?.[1];
  const tuned = flags(metadata.tasks.tuned);
  assert.ok(tuned);
  assert.equal(flags(fileText("deploy/image/cairn")), tuned);
});

Deno.test("the image has the version of Deno that CI runs", () => {
  const [, version] = /deno@([\d.]+)/.exec(fileText(".ci/run")) ?? [];
  assert.ok(version);
  assert.match(fileText("Dockerfile"), new RegExp(`DENO_IMAGE=\\S+:bin-${version}\n`));
});

Deno.test("the image's configuration is valid, warns of nothing, and needs a key", () => {
  const parse = (key?: string) =>
    parseConfiguration(fileText("deploy/image/cairn.yaml"), "cairn.yaml", {
      memoryBytes: 2 ** 31,
      environment: (name) => name === "CAIRN_API_KEY" ? key : undefined,
    });
  assert.deepEqual(parse("a key of sixteen or more").warnings, []);
  assert.throws(() => parse(), /CAIRN_API_KEY/);
});

Deno.test("the services of the composed mesh are the hosts of its configuration", () => {
  const compose = parseDocument(fileText("deploy/compose.mesh.yaml"), { merge: true }).toJS();
  const { mesh, warnings } = parseConfiguration(fileText("deploy/mesh/cairn.yaml"), "cairn.yaml", {
    memoryBytes: 2 ** 31,
    environment: (name) => /^CAIRN_/.test(name) ? `${name} of sixteen or more` : undefined,
  });
  assert.deepEqual(warnings, []);
  const { valkey: _, prometheus, grafana, ...services } = compose.services;
  assert.ok(prometheus && grafana, "the mesh comes with dashboards");
  assert.deepEqual(Object.keys(services), mesh?.hosts.map(({ name }) => name));
  for (const [name, { command, mem_limit }] of Object.entries<Service>(services)) {
    assert.deepEqual(command, ["node", "--host", name, "--config", "/etc/cairn/cairn.yaml"]);
    assert.equal(mem_limit, "2g");
  }
});

Deno.test("Prometheus of the composed mesh scrapes every host", () => {
  const { mesh } = parseDocument(fileText("deploy/mesh/cairn.yaml")).toJS();
  const { scrape_configs: [{ job_name, static_configs }] } = parseDocument(
    fileText("deploy/mesh/prometheus.yaml"),
  ).toJS();
  assert.equal(job_name, "cairn");
  const hosts = Object.keys(mesh.hosts).map((host) => `${host}:8080`);
  assert.deepEqual(static_configs[0].targets, hosts);
});

const promtool = await new Deno.Command("promtool", { args: ["--version"] }).output()
  .then(({ success }) => success, () => false);

for (const compose of ["deploy/compose.yaml", "deploy/compose.mesh.yaml"]) {
  Deno.test({
    name: `${compose}: every file that it mounts exists, and Prometheus finds its rules there`,
    ignore: !promtool,
    async fn() {
      const { services } = parseDocument(fileText(compose), { merge: true }).toJS();
      const folder = await Deno.makeTempDir();
      try {
        for (const [name, { volumes = [] }] of Object.entries<Service>(services)) {
          for (const [source, target] of volumes.map((volume) => volume.split(":"))) {
            if (!source.startsWith("./")) continue;
            const path = new URL(`../../deploy/${source}`, import.meta.url).pathname;
            const { isDirectory } = await Deno.stat(path);
            if (name !== "prometheus") continue;
            const files = isDirectory ? [...Deno.readDirSync(path)].map(({ name }) => name) : [""];
            for (const file of files) {
              const inFolder = isDirectory ? file : target.slice("/etc/prometheus/".length);
              await Deno.copyFile(isDirectory ? `${path}/${file}` : path, `${folder}/${inFolder}`);
            }
          }
        }
        // The name that Prometheus' image reads.
        const args = ["check", "config", `${folder}/prometheus.yml`];
        const { code, stdout, stderr } = await new Deno.Command("promtool", { args }).output();
        const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
        assert.equal(code, 0, said);
        assert.match(said, /alerts\.yaml/);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

interface Service {
  readonly volumes?: readonly string[];
  readonly command: readonly string[];
  readonly mem_limit: string;
}
