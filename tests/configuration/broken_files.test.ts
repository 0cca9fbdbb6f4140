/** Broken files, each with the whole of what is said about it. */
import assert from "node:assert/strict";
import { type Host, parseConfiguration } from "../../configuration/configuration.ts";
import { ConfigurationError } from "../../configuration/problems.ts";

/** A valid beginning that cases add to. */
const slots = "features: { slots: { user: { kind: id, source: user } } }";

function problemsOf(text: string, host?: Host): string[] {
  try {
    parseConfiguration(text, "c.yaml", host);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    const [headline, ...lines] = error.message.split("\n");
    assert.equal(lines.length, error.problems.length);
    assert.match(headline, /^Cannot use c\.yaml: \d+ problems?\.$/);
    return lines.map((line) => line.replace(/^c\.yaml:/, ""));
  }
  return [];
}

const oneProblem: [name: string, text: string, problem: string][] = [
  [
    "a file that is no map",
    "[1, 2]",
    "1:1 found a list of 2, expected a map of sections, features: first",
  ],
  [
    "an empty file",
    "",
    "1:1 features: missing; expected a map with itemCache, slots",
  ],
  [
    "a key twice",
    `${slots}\nshards: { count: 1 }\nshards: { count: 2 }`,
    "3:1 this key stands here twice; keep one of them",
  ],
  [
    "a misspelt section",
    `${slots}\ntrianer: { batchRows: 4 }`,
    '2:1 trianer: unknown key; did you mean "trainer"?',
  ],
  [
    "a key in another style",
    `${slots}\ntrainer:\n  batch_rows: 4`,
    '3:3 trainer.batch_rows: unknown key; did you mean "batchRows"?',
  ],
  [
    "a key like no other",
    `${slots}\nshards: { replication: 3 }`,
    "2:11 shards.replication: unknown key; known here: count.",
  ],
  [
    "a key of another section",
    `${slots}\nport: 80`,
    "2:1 port: unknown key; did you mean gateway.port?",
  ],
  [
    "a key of another section, inside one",
    `${slots}\nmodel: { kind: deepFm, batchRows: 32 }`,
    "2:24 model.batchRows: unknown key; did you mean trainer.batchRows?",
  ],
  [
    "a number out of range",
    `${slots}\nshards: { count: 0 }`,
    "2:18 shards.count: found 0, expected a whole number from 1 to 1,024",
  ],
  [
    "a fraction where a whole number is wanted",
    `${slots}\nshards: { count: 2.5 }`,
    "2:18 shards.count: found 2.5, expected a whole number from 1 to 1,024",
  ],
  [
    "a text where a number is wanted",
    `${slots}\nshards: { count: four }`,
    '2:18 shards.count: found "four", expected a whole number from 1 to 1,024',
  ],
  [
    "a duration without a unit",
    `${slots}\njoiner:\n  window: 30`,
    "3:11 joiner.window: found 30, expected a duration from 1s to 90d",
  ],
  [
    "a duration that is too long",
    `${slots}\njoiner: { window: 91d }`,
    '2:19 joiner.window: found "91d", expected a duration from 1s to 90d',
  ],
  [
    "a size with an unknown unit",
    `${slots}\nembeddings: { bytesMax: 3 Gigs }`,
    '2:25 embeddings.bytesMax: found "3 Gigs", expected a size from 1MiB to 1TiB',
  ],
  [
    "a misspelt choice",
    `${slots}\nembeddings: { atLimit: rejekt }`,
    '2:24 embeddings.atLimit: found "rejekt", expected one of reject, ' +
    'evictLeastRecentlyUsed, evictLeastFrequentlyUsed; did you mean "reject"?',
  ],
  [
    "an unknown model",
    `${slots}\nmodel: { kind: deepfm }`,
    '2:16 model.kind: found "deepfm", expected one of logisticRegression, factorizationMachine, ' +
    'wideAndDeep, deepFm, dcnV2, dlrm, mmoe; did you mean "deepFm"?',
  ],
  [
    "an option of another model",
    `${slots}\nmodel: { kind: deepFm, crossLayers: 2 }`,
    "2:24 model.crossLayers: unknown key; known here: kind, embeddingDim, attention, hidden, dropout, " +
    "normalization, tasks, " +
    "taskLosses, taskWeights, optimizer, learningRateSchedule, seed.",
  ],
  [
    "a score of no task",
    `${slots}\nmodel: { kind: mmoe, tasks: [click, buy] }\nranker: { scoreWeights: { buy: 0 } }`,
    "3:25 ranker.scoreWeights: every weight is 0, so all items would score alike; give a task another weight",
  ],
  [
    "weights where there is nothing to weigh",
    `${slots}\nmodel: { kind: deepFm, tasks: [click] }\nranker: { scoreWeights: { click: 2 } }`,
    "3:25 ranker.scoreWeights: the model has one task, whose prediction is the score; leave scoreWeights out, or add tasks",
  ],
  [
    "a score of a task that the model has not",
    `${slots}\nmodel: { kind: mmoe, tasks: [click, buy] }\nranker: { scoreWeights: { bye: 1 } }`,
    '3:27 ranker.scoreWeights.bye: "bye" is no task of the model; known: click, buy.',
  ],
  [
    "another width where embeddings are multiplied with one another",
    "features:\n  slots:\n    user: { kind: id, source: user }\n" +
    "    item: { kind: id, source: item, embeddingDim: 8 }",
    "4:51 features.slots.item.embeddingDim: found 8, and deepFm multiplies embeddings of different slots, so all " +
    "need the model's embeddingDim (16) or 0; leave it out, or choose a model that only joins them: wideAndDeep, " +
    "dcnV2 or mmoe",
  ],
  [
    "a width where there are no embeddings",
    "features: { slots: { user: { kind: id, source: user, embeddingDim: 8 } } }\nmodel: { kind: logisticRegression }",
    "1:68 features.slots.user.embeddingDim: logisticRegression has no embeddings; leave it out, or choose another " +
    "model",
  ],
  [
    "no weights at all",
    "features: { slots: { user: { kind: id, source: user }, h: { kind: time, part: hourOfDay, embeddingDim: 0 } } }\n" +
    "model: { kind: dcnV2 }",
    "1:104 features.slots.h.embeddingDim: found 0, and dcnV2 has no first-order weights either: nothing would be " +
    "learned of it; write 1 or more, or take the slot out",
  ],
  [
    "the width of another slot's rows",
    "features:\n  slots:\n    item: { kind: id, source: item }\n" +
    "    recent: { kind: list, source: user, idsOf: item, embeddingDim: 8 }\nmodel: { kind: dcnV2 }",
    '4:68 features.slots.recent.embeddingDim: its rows are those of "item"; set it there',
  ],
  [
    "attention between widths",
    "features:\n  slots:\n    item: { kind: id, source: item, embeddingDim: 8 }\n" +
    "    tags: { kind: list, source: user }\n" +
    "model: { kind: dcnV2, attention: [{ slot: tags, candidate: item }] }",
    '5:60 model.attention[0].candidate: "item" has embeddings of 8 weights and "tags" of 16: attention compares ' +
    "them; give both the same embeddingDim above 0",
  ],
  [
    "embeddings that no slot has",
    "features: { slots: { user: { kind: id, source: user, embeddingDim: 0 } } }\nmodel: { kind: deepFm }",
    "2:16 model.kind: deepFm needs embeddings and every slot has embeddingDim 0; give one of them some, or choose " +
    "logisticRegression",
  ],
  [
    "more tables than there is memory for",
    "features: { slots: { user: { kind: id, source: user }, item: { kind: id, source: item, embeddingDim: 8 } } }\n" +
    "model: { kind: dcnV2 }\nshards: { count: 1 }\nembeddings: { bytesMax: 1MiB }",
    "4:25 embeddings.bytesMax: 1MiB over 1 shards is 1.0MiB a shard, and 2 widths or kinds of optimizer make as " +
    "many tables, which need 1MiB each; write 2MiB or more, or lower shards.count",
  ],
  [
    "an admission threshold that no counter can reach",
    `${slots}\nembeddings: { admission: { kind: threshold, threshold: 65536 } }`,
    "2:56 embeddings.admission.threshold: found 65536, expected a whole number from 0 to 65,535",
  ],
  [
    "a missing learning rate",
    `${slots}\nmodel: { kind: deepFm, optimizer: { kind: adam } }`,
    "2:24 model.optimizer.learningRate: missing; expected a number above 0 and at most 100",
  ],
  [
    "a list's element of the wrong type",
    `${slots}\nmodel: { kind: deepFm, hidden: [64, x] }`,
    '2:37 model.hidden[1]: found "x", expected a whole number from 1 to 8,192',
  ],
  [
    "no slots",
    "features: { slots: {} }",
    "1:20 features.slots: found 0 slots, expected 1 to 256",
  ],
  [
    "a cross of an unknown slot",
    "features:\n  slots:\n    user: { kind: id, source: user }\n" +
    "    item: { kind: id, source: item }\n    both: { kind: cross, of: [user, itme] }",
    '5:37 features.slots.both.of[1]: "itme" is no slot; did you mean "item"?',
  ],
  [
    "a numeric slot that makes nothing",
    "features:\n  slots:\n    user: { kind: id, source: user }\n" +
    "    age: { kind: numeric, source: user }",
    "4:5 features.slots.age: makes no feature; write buckets: { kind: log }, " +
    "dense: { kind: log }, or both",
  ],
  [
    "two slots with one number",
    "features:\n  slots:\n    a: { kind: id, source: user, slot: 7 }\n" +
    "    b: { kind: id, source: item, slot: 7 }",
    '4:5 features.slots.b: has the slot number 7, as "a" has; give one of them another by `slot:`',
  ],
  [
    "an override for a slot that is not there",
    `${slots}\nembeddings:\n  slots:\n    usr: { expiry: 30d }`,
    '4:5 embeddings.slots.usr: "usr" is no slot; did you mean "user"?',
  ],
  [
    "a slice that the model does not have",
    `${slots}\nmodel: { kind: logisticRegression }\nembeddings: { slices: { embeddings: {} } }`,
    '3:25 embeddings.slices.embeddings: "embeddings" is no slice of this model; ' +
    "known: first_order.",
  ],
  [
    "label rules for a task that the model does not have",
    `${slots}\njoiner:\n  tasks:\n    click: [{ action: click, label: positive }]\n` +
    "    bought: [{ action: buy, label: positive }]",
    '5:5 joiner.tasks.bought: "bought" is no task of the model; known: click.',
  ],
  [
    "a task that no label rule knows, beside one that has rules",
    `${slots}\nmodel: { kind: mmoe, tasks: [click, buy] }\n` +
    "joiner: { tasks: { click: [{ action: click, label: positive }] } }",
    '3:11 joiner.tasks: has no rule for the model\'s task "buy", which would learn only negatives; ' +
    "add buy: [{ action: buy, label: positive }], or take it out of model.tasks",
  ],
  [
    "a value as the label of a task that learns whether something happens",
    `${slots}\njoiner:\n  tasks:\n    click:\n      - { action: watch, label: value }`,
    '5:33 joiner.tasks.click[0].label: found value, and "click" learns whether something happens; ' +
    "write positive or negative, or set model.taskLosses: { click: squaredError }",
  ],
  [
    "a loss for a task that the model does not have",
    `${slots}\nmodel: { kind: mmoe, tasks: [click], taskLosses: { minutes: squaredError } }`,
    '2:52 model.taskLosses.minutes: "minutes" is no task of the model; known: click.',
  ],
  [
    "a rule that nothing can match",
    `${slots}\njoiner:\n  tasks:\n    click:\n` +
    "      - { action: rating, valueAtLeast: 5, valueBelow: 4, label: positive }",
    "5:9 joiner.tasks.click[0]: found valueAtLeast 5 and valueBelow 4: no value matches both; " +
    "expected valueAtLeast < valueBelow",
  ],
  [
    "tables larger than a shard can address",
    `${slots}\nshards: { count: 2 }\nembeddings: { bytesMax: 16GiB }`,
    "3:25 embeddings.bytesMax: 16GiB over 2 shards is 8192.0MiB a shard, and one shard's table " +
    "ends at 3GiB; raise shards.count to 6 or more, or lower it",
  ],
  [
    "a batch that can never fill",
    `${slots}\ntrainer: { batchRows: 512, rowsWaitingMax: 100 }`,
    "2:44 trainer.rowsWaitingMax: found 100, expected batchRows (512) or more: " +
    "no batch would ever be full",
  ],
  [
    "more threads than shards",
    `${slots}\nshards: { count: 2 }\nplacement: { kind: workers, shardThreads: 3 }`,
    "3:43 placement.shardThreads: found 3 threads for 2 shards; write 2 or less, " +
    "or raise shards.count",
  ],
  [
    "attention over a slot that is no list",
    `${slots}\nmodel: { kind: deepFm, attention: [{ slot: recent, candidate: user }] }`,
    '2:44 model.attention[0].slot: "recent" is no slot of kind list; there is none.',
  ],
  [
    "ids shared with a slot that is not there",
    "features:\n  slots:\n    item: { kind: id, source: item }\n" +
    "    recent: { kind: list, source: user, idsOf: itme }",
    '4:48 features.slots.recent.idsOf: "itme" is no other slot; did you mean "item"?',
  ],
  [
    "settings for rows that are another slot's",
    "features:\n  slots:\n    item: { kind: id, source: item }\n" +
    "    recent: { kind: list, source: user, idsOf: item }\n" +
    "embeddings: { slots: { recent: { expiry: 1d } } }",
    '5:24 embeddings.slots.recent: its rows are those of "item"; set them there',
  ],
  [
    "a model that needs dense values where there are none",
    `${slots}\nmodel: { kind: dlrm }`,
    "2:16 model.kind: dlrm needs dense values for its bottom tower and no slot makes any; give a " +
    "numeric slot dense: { kind: log }, or use deepFm",
  ],
  [
    "a model too large to be meant",
    "features: { slots: { a: { kind: id, source: user }, b: { kind: id, source: item } } }\n" +
    "model: { kind: deepFm, embeddingDim: 512, hidden: [8192, 8192, 8192, 8192, 8192] }",
    "2:51 model.hidden: [8192, 8192, 8192, 8192, 8192] over 1024 inputs makes 276,824,064 dense " +
    "weights, at most 256,000,000 fit; lower hidden or embeddingDim",
  ],
];

for (const [name, text, problem] of oneProblem) {
  Deno.test(`${name}: one problem, with its place and what to write`, () => {
    assert.deepEqual(problemsOf(text), [problem]);
  });
}

Deno.test("text that is not YAML is said to be none, with its place", () => {
  const [problem] = problemsOf("features: {\n  slots: [");
  assert.match(problem, /^2:\d+ this is not YAML: /);
});

Deno.test("every problem is told at once, in the file's order", () => {
  const places = problemsOf(`features:
  slots:
    user: { kind: id, sorce: user }
    x: { kind: cross, of: [user, nobody] }
shards: { count: 0 }
embeddings: { slots: { nowhere: {} } }
sink: {}`).map((problem) => problem.split(" ")[1]);
  assert.deepEqual(places, [
    "features.slots.user.source:",
    "features.slots.user.sorce:",
    "shards.count:",
    "sink:",
  ]);
});

Deno.test("a mistake in one section does not hide mistakes between others", () => {
  const places = problemsOf(`${slots}
model: { kind: deepFm, tasks: [a] }
shards: { count: 0 }
joiner: { tasks: { b: [{ action: click, label: positive }] } }`)
    .map((problem) => problem.split(" ")[1]);
  assert.deepEqual(places, ["shards.count:", "joiner.tasks.b:"]);
});

Deno.test("what one section alone says is checked while the others are wrong", () => {
  const places = problemsOf(`features: { slots: { user: { kind: id, sorce: user } } }
model: { kind: deepfm }
joiner: { tasks: { a: [{ action: rate, valueAtLeast: 5, valueBelow: 4, label: positive }] } }
trainer: { batchRows: 512, rowsWaitingMax: 100 }`).map((problem) => problem.split(" ")[1]);
  assert.deepEqual(places, [
    "features.slots.user.source:",
    "features.slots.user.sorce:",
    "model.kind:",
    "joiner.tasks.a[0]:",
    "trainer.rowsWaitingMax:",
  ]);
});

Deno.test("tables must fit in the machine's memory where that is known", () => {
  const [problem] = problemsOf(`${slots}\nembeddings: { bytesMax: 2GiB }`, {
    memoryBytes: 2 ** 31,
    environment: () => undefined,
  });
  assert.equal(
    problem,
    "2:25 embeddings.bytesMax: 2GiB for training and 512MiB for serving do not fit in this " +
      "machine's 2.0GiB; lower one of them",
  );
});

Deno.test("an API key never stands in a message", () => {
  const [problem] = problemsOf(`${slots}\ngateway: { apiKeys: [s3cret] }`);
  assert.equal(
    problem,
    "2:22 gateway.apiKeys[0]: found a text of 6 characters, expected a text of 16 characters or more",
  );
});

Deno.test("a variable that is not set is named, with its place", () => {
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

Deno.test("aliases that unfold into a huge file are refused", () => {
  const bomb = [
    "a: &a [x, x, x, x, x, x, x, x, x, x]",
    ...["b", "c", "d", "e", "f", "g"].map((name, i) =>
      `${name}: &${name} [${Array(10).fill(`*${"abcdef"[i]}`).join(", ")}]`
    ),
  ].join("\n");
  assert.match(problemsOf(bomb)[0], /1:1 .*alias/i);
});

Deno.test("what was typed names its option, what the file says its own place in the file as it is", () => {
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
