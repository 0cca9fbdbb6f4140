/** Files that are broken as a whole or in several places, each with the complete error message. */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { problemsOf, slots, testOneProblem } from "./broken_file.ts";

testOneProblem([
  [
    "a file that is not a map",
    "[1, 2]",
    "1:1 found a list of 2, expected a map of sections, at least features",
  ],
  [
    "an empty file",
    "",
    "1:1 the file is empty; expected a map of sections, at least features",
  ],
  [
    "a file of blank lines and comments",
    "\n# features: { slots: {} }\n---\n",
    "1:1 the file is empty but for comments; expected a map of sections, at least features",
  ],
  [
    "a duplicate key",
    `${slots}\nshards: { count: 1 }\nshards: { count: 2 }`,
    "3:1 duplicate key; keep one of them",
  ],
  [
    "a misspelt section",
    `${slots}\ntrianer: { batchRows: 4 }`,
    '2:1 trianer: unknown key; did you mean "trainer"?',
  ],
  [
    "a key of another section",
    `${slots}\nport: 80`,
    "2:1 port: unknown key; did you mean gateway.port?",
  ],
  [
    "a key that another kind of the section has",
    `${slots}\nstorage: { kind: memory, redis: { url: "redis://localhost" } }`,
    "2:26 storage.redis: unknown key; only kind: directory has it. Known here: kind, " +
    "logBytesMax, profilesBytesMax.",
  ],
  [
    "a host whose name is no name",
    `${slots}\nmesh: { id: shop, hosts: { Edge: { address: "127.0.0.1:1", roles: [serving] } } }`,
    '2:28 mesh.hosts.Edge: found the key "Edge", expected a name of lower-case letters, digits and hyphens',
  ],
  [
    "more threads than shards",
    `${slots}\nshards: { count: 2 }\nplacement: { kind: workers, shardThreads: 3 }`,
    "3:43 placement.shardThreads: found 3 threads for 2 shards; write 2 or less, " +
    "or raise shards.count",
  ],
  [
    "a thread for scores that does not exist",
    `${slots}\nplacement: { kind: workers, scoringThread: both }`,
    '2:44 placement.scoringThread: found "both", expected one of auto, main, own',
  ],
]);

Deno.test("a syntax error is reported with its position", () => {
  const [problem] = problemsOf("features: {\n  slots: [");
  assert.match(problem, /^2:\d+ this is not YAML: /);
});

Deno.test("all problems are reported at once, in the order of the file", () => {
  const paths = problemsOf(`features:
  slots:
    user: { kind: id, sorce: user }
    x: { kind: cross, of: [user, nobody] }
shards: { count: 0 }
embeddings: { slots: { nowhere: {} } }
sink: {}`).map((problem) => problem.split(" ")[1]);
  assert.deepEqual(paths, [
    "features.slots.user.source:",
    "features.slots.user.sorce:",
    "shards.count:",
    "sink:",
  ]);
});

Deno.test("a problem in one section does not hide problems between other sections", () => {
  const paths = problemsOf(`${slots}
model: { kind: deepFm, tasks: [a] }
shards: { count: 0 }
joiner: { tasks: { b: [{ action: click, label: positive }] } }`)
    .map((problem) => problem.split(" ")[1]);
  assert.deepEqual(paths, ["shards.count:", "joiner.tasks.b:"]);
});

Deno.test("a section is checked although other sections are wrong", () => {
  const paths = problemsOf(`features: { slots: { user: { kind: id, sorce: user } } }
model: { kind: deepfm }
joiner: { tasks: { a: [{ action: rate, valueAtLeast: 5, valueBelow: 4, label: positive }] } }
trainer: { batchRows: 512, rowsWaitingMax: 100 }`).map((problem) => problem.split(" ")[1]);
  assert.deepEqual(paths, [
    "features.slots.user.source:",
    "features.slots.user.sorce:",
    "model.kind:",
    "joiner.tasks.a[0]:",
    "trainer.rowsWaitingMax:",
  ]);
});

Deno.test("tables must fit in the machine's memory when it is known", () => {
  const [problem] = problemsOf(`${slots}\nembeddings: { bytesMax: 2GiB }`, {
    memoryBytes: 2 ** 31,
    environment: () => undefined,
  });
  assert.equal(
    problem,
    "2:25 embeddings.bytesMax: 2GiB for training and 1172MiB for serving do not fit in the " +
      "2.0GiB that the process gets here; lower this value",
  );
});

Deno.test("an environment variable that is not set is reported with its name and position", () => {
  const host = { memoryBytes: 2 ** 40, environment: () => undefined };
  assert.deepEqual(
    problemsOf(
      `${slots}\ngateway: { apiKeys: ["\${CAIRN_KEY}"], deadline: "\${CAIRN_DEADLINE}" }`,
      host,
    ),
    [
      "2:22 gateway.apiKeys[0]: the environment variable CAIRN_KEY is not set; set it, or write the value here",
      "2:49 gateway.deadline: the environment variable CAIRN_DEADLINE is not set; set it, or write the value here",
    ],
  );
});

Deno.test("aliases that expand to a huge value are refused", () => {
  const bomb = [
    "a: &a [x, x, x, x, x, x, x, x, x, x]",
    ...["b", "c", "d", "e", "f", "g"].map((name, i) =>
      `${name}: &${name} [${Array(10).fill(`*${"abcdef"[i]}`).join(", ")}]`
    ),
  ].join("\n");
  assert.match(problemsOf(bomb)[0], /1:1 .*alias/i);
});

Deno.test("an empty file is called empty, also where options typed some of its values", () => {
  const changes = [{ flag: "--set trainer.batchRows", path: ["trainer", "batchRows"], made: [] }];
  for (const [fileText, found] of [["", "empty"], ["# all\n", "empty but for comments"]]) {
    assert.throws(
      () =>
        parseConfiguration("trainer: { batchRows: 32 }", "c.yaml", undefined, {
          fileText,
          changes,
        }),
      new RegExp(`c\\.yaml:1:1 the file is ${found}; expected`),
    );
  }
  const typed = {
    fileText: "",
    changes: [{ flag: "--set features", path: ["features"], made: [] }],
  };
  parseConfiguration(slots, "c.yaml", undefined, typed);
});

Deno.test("a problem of a command line option names the option, one of the file its position in the file", () => {
  const fileText = `${slots}\n\n\nshards: { count: 0 }`;
  const changed = `${slots}\nshards: { count: 0 }\nplacement: { kind: wrkers }`;
  const changes = [{
    flag: "--set placement.kind",
    path: ["placement", "kind"],
    made: ["placement"],
  }];
  assert.throws(
    () => parseConfiguration(changed, "c.yaml", undefined, { fileText, changes }),
    /\n--set placement\.kind: found "wrkers".*\nc\.yaml:4:18 shards\.count: found 0/,
  );
});
