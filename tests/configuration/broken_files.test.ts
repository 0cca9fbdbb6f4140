/** Broken files, each with the complete error message. */
import assert from "node:assert/strict";
import { type Host, parseConfiguration } from "../../configuration/configuration.ts";
import { ConfigurationError } from "../../configuration/problems.ts";

/** A valid start of a file, which cases add to. */
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
    "example partitions that the joiners cannot divide",
    `${slots}\njoiner: { partitions: 4 }\ntrainer: { partitions: 6 }`,
    "3:24 trainer.partitions: found 6, and joiner.partitions is 4, each with as many of them; " +
    "write 8 or another multiple of 4, or leave it out",
  ],
  [
    "more trainers than example partitions",
    `${slots}\njoiner: { partitions: 2 }\ntrainer: { partitions: 4, count: 5 }`,
    "3:34 trainer.count: found 5, and trainer.partitions is 4, so some trainers would have none; " +
    "write at most 4",
  ],
  [
    "no partitions",
    `${slots}\njoiner: { partitions: 0 }`,
    "2:23 joiner.partitions: found 0, expected a whole number from 1 to 1,024",
  ],
  [
    "a scenario that excludes by an action of which no history is kept",
    `${slots}\nscenarios: { home: { exclude: [{ what: click, within: 1h }] } }`,
    "2:40 scenarios.home.exclude[0].what: no history of this action is kept (none is); add " +
    "{ kind: history, action: click, last: 100 } to kept.features in cairn.yaml",
  ],
  [
    "a slot that reads a kept number as a text",
    "features: { slots: { clicks: { kind: categorical, source: item } } }\n" +
    "kept: { features: { clicks: { kind: count, by: item, of: click, window: 1h } } }",
    '1:38 features.slots.clicks.kind: found "categorical", but the kept feature "clicks" is a ' +
    "number; write kind: numeric",
  ],
  [
    "a cross of a kept number of items",
    "features: { slots: { u: { kind: id, source: user }, clicks: { kind: numeric, source: item, " +
    "buckets: { kind: log } }, x: { kind: cross, of: [u, clicks] } } }\n" +
    "kept: { features: { clicks: { kind: count, by: item, of: click, window: 1h } } }",
    '1:144 features.slots.x.of[1]: "clicks" reads the kept feature "clicks" of items, which cannot ' +
    "be crossed",
  ],
  [
    "a kept count without a time",
    `${slots}\nkept: { features: { n: { kind: count, by: user, of: click } } }`,
    "2:24 kept.features.n: has no time; add window: 1h, or session: 30m for the user's session",
  ],
  [
    "a kept count with a window and a session",
    `${slots}\nkept: { features: { n: { kind: count, by: user, of: click, window: 1h, session: 30m } } }`,
    "2:81 kept.features.n.session: found beside window; write one of them",
  ],
  [
    "a session of items",
    `${slots}\nkept: { features: { n: { kind: count, by: item, of: click, session: 30m } } }`,
    "2:69 kept.features.n.session: sessions are those of users; write by: user",
  ],
  [
    "a kept feature of items by a slot",
    "features: { slots: { item: { kind: id, source: item } } }\n" +
    "kept: { features: { n: { kind: since, by: item, slot: item, of: click } } }",
    "2:55 kept.features.n.slot: divides the events of a user; write by: user, or leave it out",
  ],
  [
    "a kept feature by an unknown slot",
    `${slots}\nkept: { features: { n: { kind: since, by: user, slot: itme, of: click } } }`,
    '2:55 kept.features.n.slot: unknown slot of items "itme"; none is defined.',
  ],
  [
    "a kept mean without a prior",
    `${slots}\nkept: { features: { n: { kind: mean, by: user, of: rating, window: 1h } } }`,
    "2:21 kept.features.n.prior: missing; expected a map such as { value: 3.5, weight: 20 }",
  ],
  [
    "a session of a day and more",
    `${slots}\nkept: { features: { n: { kind: history, action: click, last: 5, session: 2d } } }`,
    '2:74 kept.features.n.session: found "2d", expected a duration from 1m to 1d',
  ],
  [
    "a bound of kept values below one",
    `${slots}\nkept: { valuesMax: 0 }`,
    "2:20 kept.valuesMax: found 0, expected a whole number from 1 to 10,000",
  ],
  [
    "a declared attribute that is kept",
    `${slots}\nattributes: { user: { n: number } }\n` +
    "kept: { features: { n: { kind: count, by: user, of: click, window: 1h } } }",
    "2:23 attributes.user.n: the kept feature of this name has its own type; leave it out here, " +
    "or rename it",
  ],
  [
    "a rate without a prior",
    `${slots}\nkept: { features: { n: { kind: rate, by: user, of: click, window: 1h } } }`,
    "2:21 kept.features.n.prior: missing; expected a map such as { rate: 0.05, weight: 20 }",
  ],
  [
    "late labels that come before the window ends",
    `${slots}\njoiner: { window: 1h, lateLabels: { click: 30m } }`,
    "2:44 joiner.lateLabels.click: found 30m, and the window is 1h: write a longer time than " +
    "joiner.window, or leave it out",
  ],
  [
    "late labels of a task that predicts a value",
    `${slots}\nmodel: { kind: deepFm, tasks: [click], taskLosses: { click: squaredError } }\n` +
    "joiner: { lateLabels: { click: 3h } }",
    '3:32 joiner.lateLabels.click: "click" predicts a value, and only positive labels are learned ' +
    "from late; leave it out, or lengthen joiner.window",
  ],
  [
    "late labels of an unknown task",
    `${slots}\njoiner: { lateLabels: { clicks: 3h } }`,
    '2:25 joiner.lateLabels.clicks: unknown task of the model "clicks"; did you mean "click"?',
  ],
  [
    "a share in percent",
    `${slots}\nscenarios: { a: { rotation: { within: 1h, penalty: 10% } } }`,
    '2:52 scenarios.a.rotation.penalty: found "10%", expected a number above 0 and at most 1; ' +
    "write 0.1",
  ],
  [
    "a percentage above the whole",
    `${slots}\nscenarios: { a: { rotation: { within: 1h, penalty: 110% } } }`,
    '2:52 scenarios.a.rotation.penalty: found "110%", expected a number above 0 and at most 1',
  ],
  [
    "yes in place of true",
    `${slots}\nrecommend: { enabled: yes }`,
    '2:23 recommend.enabled: found "yes", expected true or false; write true',
  ],
  [
    "recommendations of a model without dot products",
    `${slots}\nmodel: { kind: wideAndDeep }\nrecommend: { enabled: true }`,
    "3:23 recommend.enabled: the model wideAndDeep has no dot products to find candidates by; " +
    "choose one of factorizationMachine, deepFm, dlrm, or write enabled: false",
  ],
  [
    "the source recent without an order",
    `${slots}\nrecommend: { enabled: true, sources: [model, recent] }`,
    "2:46 recommend.sources[1]: recent has no order; name a numeric attribute of items as " +
    "recommend.recentBy",
  ],
  [
    "the source popular without an order",
    `${slots}\nrecommend: { enabled: true, sources: [popular] }`,
    "2:39 recommend.sources[0]: popular has no order; name a kept feature of items as " +
    "recommend.popularBy",
  ],
  [
    "a list loss without weight",
    `${slots}\nmodel: { kind: deepFm, listLoss: { weight: 0 } }`,
    "2:44 model.listLoss.weight: found 0, expected a number above 0 and at most 1,000",
  ],
  [
    "a source of kept histories without one",
    `${slots}\nrecommend: { enabled: true, sources: [history] }`,
    "2:39 recommend.sources[0]: history has no items; name a kept history as recommend.historyBy",
  ],
  [
    "a source of a history that is not kept",
    `${slots}\nrecommend: { enabled: true, historyBy: bought }`,
    '2:40 recommend.historyBy: unknown kept history "bought"; none is defined.',
  ],
  [
    "an order of the source trending that is not kept",
    `${slots}\nrecommend: { enabled: true, trendingBy: pace }`,
    '2:41 recommend.trendingBy: unknown kept feature of items "pace"; none is defined.',
  ],
  [
    "an order of the source recent that is no number",
    `${slots}\nattributes: { item: { published: number, brand: text } }\n` +
    "recommend: { enabled: true, recentBy: publish }",
    '3:39 recommend.recentBy: unknown numeric attribute of items "publish"; did you mean "published"?',
  ],
  [
    "a scenario with a condition that ends early",
    `${slots}\nattributes: { item: { price: number } }\nscenarios: { home: { filter: price < } }`,
    "3:30 scenarios.home.filter: at character 8: unexpected token",
  ],
  [
    "a scenario that reads an attribute that is not declared",
    `${slots}\nscenarios:\n  home:\n    boost: [{ when: stock > 5, factor: 2 }]`,
    '4:21 scenarios.home.boost[0].when: at character 1: no attribute "stock" of item is declared; ' +
    "none is. Declare others under attributes in cairn.yaml",
  ],
  [
    "a scenario with a cap on an attribute that is not declared",
    `${slots}\nscenarios: { home: { diversity: { kind: cap, by: brand, max: 2 } } }`,
    "2:50 scenarios.home.diversity.by: no such attribute of items is declared; declare it under " +
    "attributes.item in cairn.yaml",
  ],
  [
    "a default scenario that is not declared",
    `${slots}\nscenarios: { home: {} }\nranker: { scenario: hom }`,
    '3:21 ranker.scenario: unknown scenario "hom"; did you mean "home"?',
  ],
  [
    "a scenario whose new items are read from an attribute that is not declared",
    `${slots}\nscenarios: { home: { newItems: { when: shown < 5, share: 0.1 } } }`,
    '2:40 scenarios.home.newItems.when: at character 1: no attribute "shown" of item is ' +
    "declared; none is. Declare others under attributes in cairn.yaml",
  ],
  [
    "a scenario whose new items have no share",
    `${slots}\nscenarios: { home: { newItems: { when: now > 0 } } }`,
    "2:22 scenarios.home.newItems.share: missing; expected a number above 0 and at most 1",
  ],
  [
    "a scenario with a boost by zero",
    `${slots}\nscenarios: { home: { boost: [{ when: now > 0, factor: 0 }] } }`,
    "2:55 scenarios.home.boost[0].factor: found 0, expected a number above 0 and at most 1,000",
  ],
  [
    "an attribute that a feature reads as another type",
    "features: { slots: { tags: { kind: list, source: item } } }\n" +
    "attributes: { item: { tags: number } }",
    '2:29 attributes.item.tags: found "number", but a feature reads it as a list of texts; leave ' +
    "it out here",
  ],
  [
    "an attribute of an unknown type",
    `${slots}\nattributes: { item: { price: float } }`,
    '2:30 attributes.item.price: found "float", expected one of text, number, boolean, texts',
  ],
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
    "a file with sections but no features",
    "trainer: { batchRows: 32 }",
    "1:1 features: missing; expected a map with itemCache, slots",
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
    "a key in another style",
    `${slots}\ntrainer:\n  batch_rows: 4`,
    '3:3 trainer.batch_rows: unknown key; did you mean "batchRows"?',
  ],
  [
    "a key that resembles no other",
    `${slots}\nshards: { replication: 3 }`,
    "2:11 shards.replication: unknown key; known here: count.",
  ],
  [
    "a key of another section",
    `${slots}\nport: 80`,
    "2:1 port: unknown key; did you mean gateway.port?",
  ],
  [
    "a key of another section within a section",
    `${slots}\nmodel: { kind: deepFm, batchRows: 32 }`,
    "2:24 model.batchRows: unknown key; did you mean trainer.batchRows?",
  ],
  [
    "a number out of range",
    `${slots}\nshards: { count: 0 }`,
    "2:18 shards.count: found 0, expected a whole number from 1 to 1,024",
  ],
  [
    "a fraction instead of a whole number",
    `${slots}\nshards: { count: 2.5 }`,
    "2:18 shards.count: found 2.5, expected a whole number from 1 to 1,024",
  ],
  [
    "a text instead of a number",
    `${slots}\nshards: { count: four }`,
    '2:18 shards.count: found "four", expected a whole number from 1 to 1,024',
  ],
  [
    "a duration without a unit",
    `${slots}\njoiner:\n  window: 30`,
    "3:11 joiner.window: found 30, expected a duration from 1s to 90d; write 30s for 30 seconds",
  ],
  [
    "a duration in the spelling of another program",
    `${slots}\njoiner:\n  window: 30min`,
    '3:11 joiner.window: found "30min", expected a duration from 1s to 90d; write 30m',
  ],
  [
    "a size without a unit",
    `${slots}\nembeddings: { bytesMax: 1073741824 }`,
    "2:25 embeddings.bytesMax: found 1073741824, expected a size from 1MiB to 1TiB; write 1GiB " +
    "for 1073741824 bytes",
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
    'wideAndDeep, deepFm, dcnV2, finalNet, dlrm, mmoe; did you mean "deepFm"?',
  ],
  [
    "an option of another model",
    `${slots}\nmodel: { kind: deepFm, crossLayers: 2 }`,
    "2:24 model.crossLayers: unknown key; known here: kind, embeddingDim, attention, hidden, dropout, " +
    "normalization, tasks, " +
    "taskLosses, listLoss, taskWeights, optimizer, learningRateSchedule, seed.",
  ],
  [
    "score weights that are all 0",
    `${slots}\nmodel: { kind: mmoe, tasks: [click, buy] }\nranker: { scoreWeights: { buy: 0 } }`,
    "3:25 ranker.scoreWeights: every weight is 0, so all items would have the same score; set a weight other than 0",
  ],
  [
    "score weights with a single task",
    `${slots}\nmodel: { kind: deepFm, tasks: [click] }\nranker: { scoreWeights: { click: 2 } }`,
    "3:25 ranker.scoreWeights: the model has one task, whose prediction is the score; leave scoreWeights out, or add tasks",
  ],
  [
    "a score weight of an unknown task",
    `${slots}\nmodel: { kind: mmoe, tasks: [click, buy] }\nranker: { scoreWeights: { bye: 1 } }`,
    '3:27 ranker.scoreWeights.bye: unknown task of the model "bye"; known: click, buy.',
  ],
  [
    "different widths in a model that multiplies embeddings",
    "features:\n  slots:\n    user: { kind: id, source: user }\n" +
    "    item: { kind: id, source: item, embeddingDim: 8 }",
    "4:51 features.slots.item.embeddingDim: found 8, and deepFm multiplies embeddings of different slots, so all " +
    "need the model's embeddingDim (16) or 0; leave it out, or choose a model that only concatenates them: wideAndDeep, " +
    "dcnV2, finalNet or mmoe",
  ],
  [
    "a width in a model without embeddings",
    "features: { slots: { user: { kind: id, source: user, embeddingDim: 8 } } }\nmodel: { kind: logisticRegression }",
    "1:68 features.slots.user.embeddingDim: logisticRegression has no embeddings; leave it out, or choose another " +
    "model",
  ],
  [
    "a slot without any weights",
    "features: { slots: { user: { kind: id, source: user }, h: { kind: time, part: hourOfDay, embeddingDim: 0 } } }\n" +
    "model: { kind: dcnV2 }",
    "1:104 features.slots.h.embeddingDim: found 0, and dcnV2 has no first-order weights: the slot would have no " +
    "weights at all; write 1 or more, or remove the slot",
  ],
  [
    "a width for rows that another slot owns",
    "features:\n  slots:\n    item: { kind: id, source: item }\n" +
    "    recent: { kind: list, source: user, idsOf: item, embeddingDim: 8 }\nmodel: { kind: dcnV2 }",
    '4:68 features.slots.recent.embeddingDim: it shares the rows of "item"; set it there',
  ],
  [
    "attention between different widths",
    "features:\n  slots:\n    item: { kind: id, source: item, embeddingDim: 8 }\n" +
    "    tags: { kind: list, source: user }\n" +
    "model: { kind: dcnV2, attention: [{ slot: tags, candidate: item }] }",
    '5:60 model.attention[0].candidate: "item" has embeddings of width 8 and "tags" of 16, and attention compares ' +
    "them; set the same embeddingDim above 0 for both",
  ],
  [
    "a model that needs embeddings when no slot has any",
    "features: { slots: { user: { kind: id, source: user, embeddingDim: 0 } } }\nmodel: { kind: deepFm }",
    "2:16 model.kind: deepFm needs embeddings and every slot has embeddingDim 0; set one of them above 0, or choose " +
    "logisticRegression",
  ],
  [
    "less memory than the tables need",
    "features: { slots: { user: { kind: id, source: user }, item: { kind: id, source: item, embeddingDim: 8 } } }\n" +
    "model: { kind: dcnV2 }\nshards: { count: 1 }\nembeddings: { bytesMax: 1MiB }",
    "4:25 embeddings.bytesMax: 1MiB over 1 shards is 1.0MiB a shard, and its 2 tables, one for each " +
    "combination of widths and optimizers, need 1MiB each; write 2MiB or more, or lower shards.count",
  ],
  [
    "an admission threshold above the range of the counters",
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
    "a layer with an odd number of units in a model that halves it",
    `${slots}\nmodel: { kind: finalNet, hidden: [8, 5] }`,
    "2:38 model.hidden[1]: found 5, expected an even number from 2 to 8,192",
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
    '5:37 features.slots.both.of[1]: unknown slot "itme"; did you mean "item"?',
  ],
  [
    "a numeric slot without a feature",
    "features:\n  slots:\n    user: { kind: id, source: user }\n" +
    "    age: { kind: numeric, source: user }",
    "4:5 features.slots.age: makes no feature; write buckets: { kind: log }, " +
    "dense: { kind: log }, or both",
  ],
  [
    "two slots with one number",
    "features:\n  slots:\n    a: { kind: id, source: user, slot: 7 }\n" +
    "    b: { kind: id, source: item, slot: 7 }",
    '4:5 features.slots.b: has the slot number 7, as "a" has; set `slot:` of one of them to another number',
  ],
  [
    "an override for an unknown slot",
    `${slots}\nembeddings:\n  slots:\n    usr: { expiry: 30d }`,
    '4:5 embeddings.slots.usr: unknown slot "usr"; did you mean "user"?',
  ],
  [
    "a slice that the model does not have",
    `${slots}\nmodel: { kind: logisticRegression }\nembeddings: { slices: { embeddings: {} } }`,
    '3:25 embeddings.slices.embeddings: unknown slice of the model "embeddings"; ' +
    "known: first_order.",
  ],
  [
    "label rules for a task that the model does not have",
    `${slots}\njoiner:\n  tasks:\n    click: [{ action: click, label: positive }]\n` +
    "    bought: [{ action: buy, label: positive }]",
    '5:5 joiner.tasks.bought: unknown task of the model "bought"; known: click.',
  ],
  [
    "a task without label rules when another task has some",
    `${slots}\nmodel: { kind: mmoe, tasks: [click, buy] }\n` +
    "joiner: { tasks: { click: [{ action: click, label: positive }] } }",
    '3:11 joiner.tasks: has no rule for the model\'s task "buy", which would learn only negatives; ' +
    "add buy: [{ action: buy, label: positive }], or take it out of model.tasks",
  ],
  [
    "a value as the label of a task that predicts a probability",
    `${slots}\njoiner:\n  tasks:\n    click:\n      - { action: watch, label: value }`,
    '5:33 joiner.tasks.click[0].label: found value, and "click" predicts a probability; ' +
    "write positive or negative, or set model.taskLosses: { click: squaredError }",
  ],
  [
    "a loss for a task that the model does not have",
    `${slots}\nmodel: { kind: mmoe, tasks: [click], taskLosses: { minutes: squaredError } }`,
    '2:52 model.taskLosses.minutes: unknown task of the model "minutes"; known: click.',
  ],
  [
    "a rule that no value can match",
    `${slots}\njoiner:\n  tasks:\n    click:\n` +
    "      - { action: rating, valueAtLeast: 5, valueBelow: 4, label: positive }",
    "5:9 joiner.tasks.click[0]: found valueAtLeast 5 and valueBelow 4: no value matches both; " +
    "expected valueAtLeast < valueBelow",
  ],
  [
    "tables larger than a shard can address",
    `${slots}\nshards: { count: 2 }\nembeddings: { bytesMax: 16GiB }`,
    "3:25 embeddings.bytesMax: 16GiB over 2 shards is 8192.0MiB a shard, and the limit of a shard " +
    "is 3GiB; raise shards.count to 6 or more, or lower this value",
  ],
  [
    "serving tables smaller than the rows that can be learned",
    `${slots}\nembeddings: { bytesMax: 2GiB, serving: { bytesMax: 512MiB } }`,
    "2:52 embeddings.serving.bytesMax: found 512MiB, and the rows that fit into embeddings.bytesMax " +
    "(2GiB) need 1172MiB in fp32; leave it out, or lower embeddings.bytesMax",
  ],
  [
    "bounds of a value that are empty",
    `${slots}\njoiner:\n  tasks:\n    click:\n` +
    "      - { action: rating, label: positive, valueMin: 5, valueMax: 1 }",
    "5:67 joiner.tasks.click[0].valueMax: found 1, expected a number of valueMin (5) or more",
  ],
  [
    "different bounds of the value of one action",
    `${slots}\njoiner:\n  tasks:\n    click:\n` +
    "      - { action: rating, valueAtLeast: 3, label: positive, valueMax: 5 }\n" +
    "      - { action: rating, label: negative, valueMax: 10 }",
    '6:54 joiner.tasks.click[1].valueMax: found 10, and another rule for "rating" has 5; the bounds of an ' +
    "action are the same in all rules, so keep one",
  ],
  [
    "a bound of a value beyond the range of a 32-bit float",
    `${slots}\njoiner: { tasks: { click: [{ action: rating, label: positive, valueMax: 1e39 }] } }`,
    "2:73 joiner.tasks.click[0].valueMax: found 1e+39, expected a number",
  ],
  [
    "a batch that can never be full",
    `${slots}\ntrainer: { batchRows: 512, rowsWaitingMax: 100 }`,
    "2:44 trainer.rowsWaitingMax: found 100, expected batchRows (512) or more: " +
    "no batch would be full",
  ],
  [
    "a list loss over batches that are too large",
    `${slots}\nmodel: { kind: deepFm, listLoss: {} }\ntrainer: { batchRows: 4097 }`,
    "3:23 trainer.batchRows: found 4097, expected 4096 or less with model.listLoss, which " +
    "compares each row of a batch with each other; lower this value, or remove listLoss",
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
  [
    "attention over a slot that is not a list",
    `${slots}\nmodel: { kind: deepFm, attention: [{ slot: recent, candidate: user }] }`,
    '2:44 model.attention[0].slot: unknown slot of kind list "recent"; none is defined.',
  ],
  [
    "ids shared with an unknown slot",
    "features:\n  slots:\n    item: { kind: id, source: item }\n" +
    "    recent: { kind: list, source: user, idsOf: itme }",
    '4:48 features.slots.recent.idsOf: unknown other slot "itme"; did you mean "item"?',
  ],
  [
    "settings for rows that another slot owns",
    "features:\n  slots:\n    item: { kind: id, source: item }\n" +
    "    recent: { kind: list, source: user, idsOf: item }\n" +
    "embeddings: { slots: { recent: { expiry: 1d } } }",
    '5:24 embeddings.slots.recent: it shares the rows of "item"; set this there',
  ],
  [
    "a model that needs dense values without any",
    `${slots}\nmodel: { kind: dlrm }`,
    "2:16 model.kind: dlrm needs dense values for its bottom tower and no slot has one; give a " +
    "numeric slot dense: { kind: log }, or choose deepFm",
  ],
  [
    "a model above the limit of dense weights",
    "features: { slots: { a: { kind: id, source: user }, b: { kind: id, source: item } } }\n" +
    "model: { kind: deepFm, embeddingDim: 512, hidden: [8192, 8192, 8192, 8192, 8192] }",
    "2:51 model.hidden: [8192, 8192, 8192, 8192, 8192] over 1024 inputs makes 276,824,064 dense " +
    "weights, more than the limit of 256,000,000; lower hidden or embeddingDim",
  ],
];

for (const [name, text, problem] of oneProblem) {
  Deno.test(`${name} is reported as one problem with position and remedy`, () => {
    assert.deepEqual(problemsOf(text), [problem]);
  });
}

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
