/** Broken models, embeddings and shards, each with the complete error message. */
import { slots, testOneProblem } from "./broken_file.ts";

testOneProblem([
  [
    "a list loss without weight",
    `${slots}\nmodel: { kind: deepFm, listLoss: { weight: 0 } }`,
    "2:44 model.listLoss.weight: found 0, expected a number above 0 and at most 1,000",
  ],
  [
    "a key that resembles no other",
    `${slots}\nshards: { replication: 3 }`,
    "2:11 shards.replication: unknown key; known here: count.",
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
    "a size without a unit",
    `${slots}\nembeddings: { bytesMax: 1073741824 }`,
    "2:25 embeddings.bytesMax: found 1073741824, expected a size from 1MiB to 1TiB; write 1GiB " +
    "for 1073741824 bytes",
  ],
  [
    "a size with an unknown unit",
    `${slots}\nembeddings: { bytesMax: 3 Gigs }`,
    '2:25 embeddings.bytesMax: found "3 Gigs", expected a size from 1MiB to 1TiB',
  ],
  [
    "a snapshot whose rows a start would wait for too long",
    `${slots}\nembeddings: { awaitedBytesMax: 1GiB }`,
    '2:32 embeddings.awaitedBytesMax: found "1GiB", expected a size from 0B to 256MiB',
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
    "2:24 model.crossLayers: unknown key; only kind: dcnV2 has it. Known here: kind, embeddingDim, " +
    "attention, hidden, dropout, normalization, tasks, " +
    "taskLosses, listLoss, taskWeights, optimizer, learningRateSchedule, seed.",
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
    "a loss for a task that the model does not have",
    `${slots}\nmodel: { kind: mmoe, tasks: [click], taskLosses: { minutes: squaredError } }`,
    '2:52 model.taskLosses.minutes: unknown task of the model "minutes"; known: click.',
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
    "attention over a slot that is not a list",
    `${slots}\nmodel: { kind: deepFm, attention: [{ slot: recent, candidate: user }] }`,
    '2:44 model.attention[0].slot: unknown slot of kind list "recent"; none is defined.',
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
]);
