import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";

const yaml = (s3: string) => `
features: { slots: { user: { kind: id, source: user } } }
storage:
  kind: directory
  path: data
  s3: ${s3}
`;
const keys = "accessKeyId: key, secretAccessKey: a-hidden-secret";
const parse = (s3: string) => parseConfiguration(yaml(s3), "c.yaml");

Deno.test("a bucket is read with its defaults", () => {
  const { storage } = parse(`{ endpoint: "https://s3.example", bucket: movies, ${keys} }`);
  assert.ok(storage.kind === "directory");
  assert.deepEqual(
    [storage.s3?.region, storage.s3?.prefix, storage.s3?.bucket, storage.s3?.addressing],
    ["us-east-1", "", "movies", "path"],
  );
});

Deno.test("a wrong bucket is refused with line and column, without its secret", () => {
  const cases: readonly [string, RegExp][] = [
    [`{ endpoint: "s3.example", bucket: movies, ${keys} }`, /s3\.endpoint: .*an address such as/],
    [`{ endpoint: "https://s3.example", bucket: A, ${keys} }`, /s3\.bucket: .*name of a bucket/],
    [
      `{ endpoint: "https://s3.example", bucket: movies, prefix: /x, ${keys} }`,
      /s3\.prefix: .*folders that end in a slash/,
    ],
    ['{ endpoint: "https://s3.example", bucket: movies }', /s3.*accessKeyId/],
    [
      `{ endpoint: "https://s3.example", bucket: movies, accessKeyId: k, secretAccessKey: [a-hidden-secret] }`,
      /s3\.secretAccessKey/,
    ],
    [
      `{ endpoint: "https://s3.example", bucket: movies, ${keys}, sessionToken: [a-hidden-token] }`,
      /s3\.sessionToken/,
    ],
    [
      `{ endpoint: "https://s3.example", bucket: movies.eu, addressing: virtualHost, ${keys} }`,
      /s3\.bucket: .*without dots/,
    ],
  ];
  for (const [s3, expected] of cases) {
    assert.throws(() => parse(s3), (error: Error) => {
      assert.match(error.message, expected);
      assert.match(error.message, /c\.yaml:6:\d+ /);
      assert.ok(!error.message.includes("hidden"), error.message);
      return true;
    });
  }
});
