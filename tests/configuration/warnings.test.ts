/**
 * Warnings about valid files: each case is a file and its warnings, with position and remedy.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";

const slots = "features: { slots: { user: { kind: id, source: user } } }";
const minutes = "model: { kind: mmoe, tasks: [minutes], taskLosses: { minutes: squaredError } }";

const warningsOf = (text: string) => parseConfiguration(`${slots}\n${text}`, "c.yaml").warnings;

Deno.test("a value as the label without bounds is a warning", () => {
  const effect = "has no bounds, so one huge value can disturb training until it is refused";
  assert.deepEqual(warningsOf(minutes), [
    `c.yaml:2:54 model.taskLosses.minutes: the label, the value of the action "minutes", ${effect}; ` +
    "write joiner.tasks: { minutes: [{ action: minutes, label: value, valueMax: … }] }",
  ]);
  const rule = (bounds: string) =>
    warningsOf(`${minutes}
joiner: { tasks: { minutes: [{ action: watch, label: value${bounds} }] } }`);
  const warning =
    `c.yaml:3:54 joiner.tasks.minutes[0].label: the label ${effect}; add valueMax: … to this rule`;
  assert.deepEqual(rule(""), [warning]);
  assert.deepEqual(rule(", valueBelow: 600"), [warning]);
  assert.deepEqual(rule(", valueMin: 0"), [warning]);
  assert.deepEqual(rule(", valueMax: 600"), []);
  assert.deepEqual(rule(", valueAtLeast: 0, valueBelow: 600"), []);
});

Deno.test("label rules that decide positives earlier than negatives are a warning", () => {
  const rules = (window: string, rest: string) =>
    warningsOf(`joiner:
  window: ${window}
  tasks:
    click:
      - { action: click, label: positive, final: true }${rest}`);
  assert.deepEqual(rules("30m", ""), [
    "c.yaml:6:50 joiner.tasks.click[0].final: positives are learned at once and negatives 30m later, so " +
    "predictions are too high; leave final out, so that both are learned at the end of the window, " +
    "shorten joiner.window, or add a rule with label: negative and final: true",
  ]);
  assert.deepEqual(rules("5s", ""), []);
  assert.deepEqual(rules("30m", "\n      - { action: hide, label: negative, final: true }"), []);
});

Deno.test("a gateway that remembers fewer rankings than the joiner holds is a warning", () => {
  const file = (rest: string) => warningsOf(`gateway: { rankingsRememberedMax: 1000${rest} }`);
  assert.deepEqual(file(""), [
    "c.yaml:2:35 gateway.rankingsRememberedMax: found 1000, and joiner.impressionsMax (200000) needs " +
    "228576: the API refuses events on rankings that the joiner could still join; leave it out",
  ]);
  assert.deepEqual(file(", unknownRankings: accept"), []);
});

Deno.test("a slot that reads a kept feature from another owner is a warning", () => {
  const file = (source: string, kept: string) =>
    parseConfiguration(
      `features: { slots: { ctr: { kind: numeric, source: ${source}, buckets: { kind: log } } } }
kept: { features: { ctr: { kind: rate, ${kept}, of: click, window: 1h, prior: { rate: 0.1, weight: 9 } } } }`,
      "c.yaml",
    ).warnings;
  assert.deepEqual(file("user", "by: item"), [
    'c.yaml:1:52 features.slots.ctr.source: found user, and the kept feature "ctr" is an attribute ' +
    "of the item: this slot reads only values that clients send; write source: item, or rename " +
    "one of them",
  ]);
  assert.deepEqual(file("item", "by: item"), []);
  assert.deepEqual(file("user", "by: user"), []);
});

Deno.test("rows that one of several serving hosts alone holds are a warning", () => {
  const file = (replicas: string, roles: string) =>
    warningsOf(`embeddings: { serving: { replicas: ${replicas} } }
storage: { kind: directory, path: data, redis: { url: "redis://localhost:1" } }
mesh:
  id: shop
  secret: a secret of the shop
  hosts:
    edge-1: { address: "10.0.0.1:7400", roles: [serving, joiner, trainer, shards] }
    edge-2: { address: "10.0.0.2:7400", roles: [${roles}] }`);
  assert.deepEqual(file("1", "serving"), [
    "c.yaml:2:36 embeddings.serving.replicas: found 1: while one of the serving hosts is away, " +
    "rankings of the others lack the rows that it holds; write 2 or more",
  ]);
  assert.deepEqual(file("2", "serving"), []);
  assert.deepEqual(file("all", "serving"), []);
  assert.deepEqual(file("1", "shards"), [], "one serving host has them all");
});

Deno.test("bounds of memory that exceed the machine's memory together are a warning", () => {
  const at = (memoryBytes: number) =>
    parseConfiguration(slots, "c.yaml", { memoryBytes, environment: () => undefined }).warnings;
  assert.deepEqual(at(2 ** 31), [
    "c.yaml:1:1 joiner.impressionsBytesMax: the process may use 4.3GiB of memory (2.5GiB by " +
    "joiner.impressionsBytesMax, 0.6GiB by embeddings.bytesMax, 0.5GiB by storage.logBytesMax, …), more " +
    "than the 2.0GiB that it gets here; lower this value",
  ]);
  assert.deepEqual(at(2 ** 33), []);
});

Deno.test("the example files have no warnings", async () => {
  for (const name of ["demo", "movies", "widths"]) {
    const path = `examples/${name}.yaml`;
    assert.deepEqual(parseConfiguration(await Deno.readTextFile(path), path).warnings, [], path);
  }
});
