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
  const { valkey: _, ...services } = compose.services;
  assert.deepEqual(Object.keys(services), mesh?.hosts.map(({ name }) => name));
  for (const [name, { command, mem_limit }] of Object.entries<Service>(services)) {
    assert.deepEqual(command, ["node", "--host", name, "--config", "/etc/cairn/cairn.yaml"]);
    assert.equal(mem_limit, "2g");
  }
});

interface Service {
  readonly command: readonly string[];
  readonly mem_limit: string;
}
