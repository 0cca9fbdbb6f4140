import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";

const yaml = (redis: string) => `
features: { slots: { user: { kind: id, source: user } } }
storage:
  kind: directory
  path: data
  redis: ${redis}
`;
const environment = (name: string) => name === "REDIS_PASSWORD" ? "hidden-password" : undefined;
const parse = (redis: string) =>
  parseConfiguration(yaml(redis), "c.yaml", { memoryBytes: 2 ** 40, environment });
const refused = (redis: string): string => {
  try {
    parse(redis);
  } catch (error) {
    return (error as Error).message;
  }
  return "";
};

Deno.test("a server is read with its defaults, and its password from the environment", () => {
  const { storage } = parse('{ url: "redis://10.0.0.5:6379", password: "${REDIS_PASSWORD}" }');
  assert.ok(storage.kind === "directory");
  const { redis } = storage;
  assert.equal(redis?.password, "hidden-password");
  assert.deepEqual([redis?.replicas, redis?.deadline, redis?.durableWait], [0, 2_000, 5_000]);
  for (const url of ["rediss://u:p@redis.example:6380/2", "unix:///run/redis.sock"]) {
    parse(`{ url: "${url}" }`);
  }
});

Deno.test("a wrong server is refused with line, column and what to write", () => {
  assert.match(refused("{}"), /c\.yaml:6:\d+ storage\.redis.*url/);
  for (const url of ["10.0.0.5:6379", "http://10.0.0.5", "redis://", "unix://relative.sock"]) {
    const message = refused(`{ url: "${url}" }`);
    assert.match(message, /c\.yaml:6:\d+ storage\.redis\.url: /, url);
    assert.match(message, /expected an address such as "redis:\/\/10\.0\.0\.5:6379"/, url);
  }
  assert.match(refused('{ url: "redis://h", replicas: 11 }'), /redis\.replicas: found 11/);
  assert.match(refused('{ url: "redis://h", name: "A b" }'), /expected a name of lower-case/);
  assert.match(refused('{ url: "redis://h", persist: true }'), /redis.*persist/);
});

Deno.test("a problem shows neither the password nor the address that may contain it", () => {
  const texts = [
    '{ url: "http://user:hidden-password@h" }',
    '{ url: "redis://user:hidden-password@h", replicas: hidden-password }',
    '{ url: "redis://h", password: [hidden-password] }',
    '{ url: "redis://h", deadline: "${REDIS_PASSWORD}" }',
  ];
  for (const text of texts) {
    const message = refused(text);
    assert.notEqual(message, "", text);
    assert.ok(!message.includes("hidden-password"), message);
  }
});
