/**
 * Messages about broken files never contain an API key or a value from the environment. Random
 * secrets stand at every position where a mistake could quote them.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseConfiguration } from "../../configuration/configuration.ts";

const slots = "features: { slots: { user: { kind: id, source: user } } }";

function messageOf(text: string, secret: string): string {
  const environment = (name: string) => name === "SECRET" ? secret : undefined;
  try {
    parseConfiguration(text, "c.yaml", { memoryBytes: 2 ** 40, environment });
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

Deno.test("an API key that is too short is reported by its length", () => {
  assert.equal(
    messageOf(`${slots}\ngateway: { apiKeys: [s3cret] }`, "").split("\n")[1],
    "c.yaml:2:22 gateway.apiKeys[0]: found a text of 6 characters, expected a text of 16 characters or more",
  );
});

Deno.test("a value from the environment is reported by its length", () => {
  assert.equal(
    messageOf(`${slots}\njoiner: { window: "\${SECRET}" }`, "correct horse").split("\n")[1],
    "c.yaml:2:19 joiner.window: found a text of 13 characters, expected a duration from 1s to 90d",
  );
});

/** A secret of characters that YAML gives a meaning, or not. */
const secrets = fc.tuple(
  fc.constantFrom("", "*", "&", "!", "%", "@", "|", ">", "'", '"', "- ", "? ", "#"),
  fc.stringMatching(/^[A-Z][A-Za-z0-9]{11,20}$/),
);

const files: Readonly<Record<string, (secret: string) => string>> = {
  "an API key": (secret) => `${slots}\ngateway: { apiKeys: [${secret}] }`,
  "API keys that are a text": (secret) => `${slots}\ngateway:\n  apiKeys: ${secret}`,
  "API keys that are a map": (secret) => `${slots}\ngateway:\n  apiKeys:\n    ${secret}: 1`,
  "an API key in a map": (secret) => `${slots}\ngateway:\n  apiKeys:\n    - key: ${secret}`,
  "a duplicate API key": (secret) => `${slots}\ngateway: { apiKeys: ["${secret}", "${secret}"] }`,
  "a number from the environment": () => `${slots}\nshards: { count: "\${SECRET}" }`,
  "a choice from the environment": () => `${slots}\nembeddings: { atLimit: "\${SECRET}" }`,
  "the name of a slot from the environment": () =>
    `features: { slots: { user: { kind: list, source: user, idsOf: "\${SECRET}" } } }`,
  "the name of a task from the environment": () =>
    `${slots}\nmodel: { kind: deepFm, tasks: ["\${SECRET}", "\${SECRET}"] }`,
  "a file that is not a configuration": (secret) => secret.replace(/^\? /, ""),
};

for (const [name, file] of Object.entries(files)) {
  Deno.test(`messages about ${name} do not contain it`, () => {
    fc.assert(fc.property(secrets, ([mark, secret]) => {
      const message = messageOf(file(mark + secret), secret);
      assert(!message.includes(secret), message);
    }));
  });
}
