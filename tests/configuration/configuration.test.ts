/** Options that valid files give. */
import assert from "node:assert/strict";
import { configurationReference } from "../../configuration/reference.ts";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { createModel } from "../../kernels/dense/models/create_model.ts";
import { slotNumberOf } from "../../kernels/features/schema.ts";
import { derivedDocs } from "../../scripts/write_configuration_docs.ts";

const minimal = "features: { slots: { user: { kind: id, source: user } } }";

Deno.test("a file of one line is a complete configuration", () => {
  const { model, modelSizes, embeddingShard, trainer, joiner } = parseConfiguration(minimal, "c");
  assert.equal(model.kind, "deepFm");
  const names = { slots: [{ name: "user", number: 8165 }], dense: [], tasks: ["click"] };
  assert.deepEqual(modelSizes, { slots: 1, denseWidth: 0, tasks: 1, names });
  assert.deepEqual(
    embeddingShard.tables.classes[0].slices.map(({ name, dim }) => [name, dim]),
    [["first_order", 1], ["embeddings", 16]],
  );
  assert.deepEqual(
    trainer.layout.classes[0].slices,
    createModel(model, modelSizes).sparseInputs.map(
      ({ slice, dims: [dim] }) => ({ name: slice, dim }),
    ),
  );
  assert.deepEqual(joiner.tasks, [
    { task: "click", rules: [{ action: "click", label: "positive", final: false }] },
  ]);
});

Deno.test("a task with squared error predicts the value of the action with its name", () => {
  const { model, joiner } = parseConfiguration(
    `${minimal}
model: { kind: mmoe, tasks: [click, minutes], taskLosses: { minutes: squaredError } }
`,
    "c",
  );
  assert.deepEqual(model.tasks, [
    { loss: "binaryCrossEntropy", weight: 1 },
    { loss: "squaredError", weight: 1 },
  ]);
  assert.deepEqual(joiner.tasks, [
    { task: "click", rules: [{ action: "click", label: "positive", final: false }] },
    { task: "minutes", rules: [{ action: "minutes", label: "value", final: false }] },
  ]);
});

Deno.test("bounds of values reach the API, and the watch over the loss", () => {
  const { gateway, model } = parseConfiguration(
    `${minimal}
model: { kind: mmoe, tasks: [minutes, stars, click], taskLosses: { minutes: squaredError, stars: squaredError } }
joiner:
  tasks:
    minutes: [{ action: watch, label: value, valueMax: 600 }]
    stars:
      - { action: rate, label: value, valueAtLeast: 3, valueMin: -2, valueMax: 5 }
      - { action: share, label: value }
    click: [{ action: click, label: positive }, { action: rate, label: negative }]`,
    "c",
  );
  assert.deepEqual(gateway.valueBounds, {
    watch: { min: -600, max: 600 },
    rate: { min: -2, max: 5 },
  });
  assert.deepEqual(model.tasks, [
    { loss: "squaredError", weight: 1, labelMax: 600 },
    { loss: "squaredError", weight: 1 },
    { loss: "binaryCrossEntropy", weight: 1 },
  ]);
});

Deno.test("a row feed tries again after a second at the latest, however rarely rows are synced", () => {
  const feedOf = (interval: string) =>
    parseConfiguration(`${minimal}\nsync: { rowsInterval: ${interval} }\n`, "c").rowFeed.retryMs;
  assert.deepEqual(["20ms", "1s", "1d"].map(feedOf), [20, 1_000, 1_000]);
});

Deno.test("a JSON file is accepted as YAML", () => {
  const json = JSON.stringify({ features: { slots: { user: { kind: "id", source: "user" } } } });
  assert.deepEqual(parseConfiguration(json, "c"), parseConfiguration(minimal, "c"));
});

Deno.test("durations become ms or seconds, sizes bytes, and each shard gets its part", () => {
  const { joiner, embeddingShard, servingReplica, sync } = parseConfiguration(
    `${minimal}
joiner: { window: 1.5h }
shards: { count: 4 }
sync: { rowsInterval: 250ms }
embeddings:
  bytesMax: 1GiB
  expiry: 30d
  serving: { bytesMax: 384MiB, precision: int8 }`,
    "c",
  );
  assert.equal(joiner.windowMs, 5_400_000);
  assert.equal(sync.rowsIntervalMs, 250);
  assert.equal(embeddingShard.tables.bytesMax, 2 ** 28);
  assert.deepEqual(servingReplica, {
    widths: [17],
    precision: "int8",
    bytesMax: 96 * 2 ** 20,
  });
  assert.deepEqual(embeddingShard.tables.classes[0].slots, [
    {
      number: slotNumberOf("user"),
      admission: { kind: "threshold", threshold: 0 },
      expirySeconds: 30 * 86_400,
    },
  ]);
});

Deno.test("API keys can come from the environment", () => {
  const { gateway } = parseConfiguration(
    `${minimal}\ngateway: { apiKeys: ["\${CAIRN_KEY}"] }`,
    "c",
    { memoryBytes: 2 ** 40, environment: (name) => `the value of ${name}` },
  );
  assert.deepEqual(gateway.apiKeys, ["the value of CAIRN_KEY"]);
});

Deno.test("a numeric slot gives a bucket column, a dense column, or both", () => {
  const { features } = parseConfiguration(
    `features:
  slots:
    both: { kind: numeric, source: item, attribute: price, buckets: { kind: log }, dense: { kind: log } }
    dense: { kind: numeric, source: user, dense: { kind: standard, mean: 1, stddev: 2 } }`,
    "c",
  );
  const { slots, dense, denseWidth } = features.schema;
  assert.deepEqual(slots.map(({ name }) => name), ["both"]);
  assert.deepEqual(dense, [
    { name: "both", source: "item", attribute: "price", scaling: { kind: "log" } },
    {
      name: "dense",
      source: "user",
      attribute: "dense",
      scaling: { kind: "standard", mean: 1, stddev: 2, clip: 1e4 },
    },
  ]);
  assert.equal(denseWidth, 2);
});

Deno.test("an override changes one slice of one slot only", () => {
  const [table] = parseConfiguration(
    `${minimal}
embeddings:
  slices:
    first_order: { optimizer: { kind: sgd, learningRate: 0.5 } }
  slots:
    user:
      admission: { kind: threshold, threshold: 3 }
      slices: { embeddings: { initializer: { kind: zeros } } }`,
    "c",
  ).embeddingShard.tables.classes;
  const [first, embeddings] = table.slices;
  assert.deepEqual(first.optimizer, { kind: "sgd", learningRate: 0.5 });
  assert.deepEqual(first.initializer, { kind: "zeros" });
  assert.equal(embeddings.optimizer.kind, "adagrad");
  assert.deepEqual(table.slots[0].slices, { embeddings: { initializer: { kind: "zeros" } } });
  assert.deepEqual(table.slots[0].admission, { kind: "threshold", threshold: 3 });
});

Deno.test("every kind of model can be configured and built", () => {
  const kinds = [
    "{ kind: logisticRegression }",
    "{ kind: factorizationMachine }",
    "{ kind: wideAndDeep }",
    "{ kind: deepFm, dropout: 0.1 }",
    "{ kind: dcnV2, crossLayers: 3 }",
    "{ kind: finalNet, hidden: [8, 4] }",
    "{ kind: dlrm, bottom: [8], top: [16] }",
    "{ kind: mmoe, tasks: [click, buy], taskWeights: { buy: 2 } }",
  ];
  for (const kind of kinds) {
    const { model, modelSizes, trainer, embeddingShard } = parseConfiguration(
      `features:
  slots:
    user: { kind: id, source: user }
    price: { kind: numeric, source: item, dense: { kind: log } }
model: ${kind}`,
      kind,
    );
    const built = createModel(model, modelSizes);
    assert.deepEqual(
      built.sparseInputs.map(({ slice, dims: [dim] }) => ({ name: slice, dim })),
      trainer.layout.classes[0].slices,
    );
    assert.deepEqual(
      embeddingShard.tables.classes[0].slices.map(({ name, dim }) => ({ name, dim })),
      trainer.layout.classes[0].slices,
    );
  }
});

Deno.test("score weights default to the first task, and are listed per task when given", () => {
  const weights = (ranker: string) =>
    parseConfiguration(
      `features: { slots: { user: { kind: id, source: user } } }
model: { kind: mmoe, tasks: [click, buy, hide] }
ranker: ${ranker}`,
      "weights",
    ).scorer.scoreWeights;
  assert.deepEqual(weights("{}"), [1, 0, 0]);
  assert.deepEqual(weights("{ scoreWeights: { buy: 5, hide: -2 } }"), [0, 5, -2]);
});

Deno.test("slots with equal width and kind of optimizer are one class, also with different learning rates", () => {
  const { embeddingShard, servingReplica, trainer, scorer, model } = parseConfiguration(
    `features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    recent: { kind: list, source: user, idsOf: item }
    hour: { kind: time, part: hourOfDay, embeddingDim: 4 }
    country: { kind: categorical, source: user }
    price: { kind: numeric, source: item, dense: { kind: log } }
    device: { kind: categorical, source: context, embeddingDim: 4 }
model: { kind: dcnV2, embeddingDim: 8 }
embeddings:
  slots:
    user: { slices: { embeddings: { optimizer: { kind: adagrad, learningRate: 0.5 } } } }
    country: { expiry: 1d, slices: { embeddings: { optimizer: { kind: sgd, learningRate: 0.1 } } } }`,
    "c",
  );
  const slots = (names: string[]) => names.map(slotNumberOf);
  const classes = [
    { slots: slots(["user", "item"]), slices: [{ name: "embeddings", dim: 8 }] },
    { slots: slots(["hour", "device"]), slices: [{ name: "embeddings", dim: 4 }] },
    { slots: slots(["country"]), slices: [{ name: "embeddings", dim: 8 }] },
  ];
  assert.deepEqual(trainer.layout, { classes, classByColumn: [0, 0, 0, 1, 2, 1] });
  assert.deepEqual(scorer.layout, trainer.layout);
  assert.deepEqual(servingReplica.widths, [8, 4, 8]);
  assert.deepEqual(
    embeddingShard.tables.classes.map(({ slots }) => slots.map(({ number }) => number)),
    classes.map(({ slots }) => slots),
  );
  const optimizers = embeddingShard.tables.classes.map(({ slices }) => slices[0].optimizer);
  assert.deepEqual(optimizers.map(({ kind }) => kind), ["adagrad", "adagrad", "sgd"]);
  assert.equal(optimizers[0].learningRate, 0.07, "the override stays with its slot");
  assert.deepEqual("slotDims" in model && model.slotDims, [8, 8, 8, 4, 8, 4]);
});

Deno.test("the example with several widths has two classes and a valid model", async () => {
  const example = new URL("../../examples/widths.yaml", import.meta.url);
  const { servingReplica, model, modelSizes } = parseConfiguration(
    await Deno.readTextFile(example),
    "widths.yaml",
  );
  assert.deepEqual(servingReplica.widths, [32, 4]);
  assert.deepEqual(createModel(model, modelSizes).sparseInputs[0].dims, [32, 32, 32, 4, 4, 4]);
});

Deno.test("a slot of width 0 has first-order weights only, also in a model with dot products", () => {
  const { trainer, model, modelSizes } = parseConfiguration(
    `features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    hour: { kind: time, part: hourOfDay, embeddingDim: 0 }`,
    "c",
  );
  assert.deepEqual(trainer.layout.classes[1].slices, [{ name: "first_order", dim: 1 }]);
  assert.deepEqual(createModel(model, modelSizes).sparseInputs, [
    { slice: "first_order", dims: [1, 1, 1] },
    { slice: "embeddings", dims: [16, 16, 0] },
  ]);
});

Deno.test("a list can share another slot's ids and be pooled by attention to it", () => {
  const { features, embeddingShard, model } = parseConfiguration(
    `features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    recent: { kind: list, source: user, idsOf: item }
model:
  kind: deepFm
  attention: [{ slot: recent, candidate: item, lengthMax: 8 }]`,
    "c",
  );
  const number = slotNumberOf("item");
  assert.deepEqual(features.schema.slots.map(({ number }) => number), [
    slotNumberOf("user"),
    number,
    number,
  ]);
  assert.deepEqual(embeddingShard.tables.classes[0].slots.map(({ number }) => number), [
    slotNumberOf("user"),
    number,
  ]);
  assert.deepEqual(model.attention, [{ slot: 2, candidate: 1, lengthMax: 8, hidden: [32] }]);
});

Deno.test("options that the file leaves out are absent instead of undefined", () => {
  const walk = (value: unknown, path: string) => {
    assert.notEqual(value, undefined, path);
    if (typeof value !== "object" || value === null) return;
    for (const [key, part] of Object.entries(value)) walk(part, `${path}.${key}`);
  };
  walk(parseConfiguration(minimal, "c"), "configuration");
});

Deno.test("the example files are valid", async () => {
  for await (const { name } of Deno.readDir("examples")) {
    if (!name.endsWith(".yaml")) continue;
    const text = await Deno.readTextFile(`examples/${name}`);
    // categorical.yaml has no features: they come from the table of examples.
    const features = "\nfeatures: { slots: { site: { kind: categorical, source: item } } }\n";
    parseConfiguration(name === "categorical.yaml" ? text + features : text, name);
  }
});

for (const [path, text] of Object.entries(derivedDocs)) {
  Deno.test(`${path} is current (deno task schema writes it)`, async () => {
    assert.equal(await Deno.readTextFile(path), text());
  });
}

Deno.test("every key and kind in the reference has a meaning", () => {
  const rows = configurationReference().split("\n").filter((line) => line.startsWith("| `"));
  assert(rows.length > 150);
  assert.deepEqual(rows.filter((row) => row.endsWith("|  |") && !row.includes("| as `")), []);
});

Deno.test("the reference names the kind of a key when kinds differ, and gives defaults with units", () => {
  const reference = configurationReference();
  assert.match(reference, /^\| `logBytesMax` \(memory\) \|.*\| `256MiB` \|/m);
  assert.match(reference, /^\| `logBytesMax` \(directory\) \|.*\| `8GiB` \|/m);
  assert.match(reference, /^\| `optimizer.epsilon` \(adam, adamW\) \|.*\| `1e-8` \|/m);
  assert.match(reference, /^\| `window` \|.*\| `30m` \|/m);
});

Deno.test("a slice keeps its learning rate schedule when a slot overrides its optimizer", () => {
  const { embeddingShard, session } = parseConfiguration(
    `features: { slots: { user: { kind: id, source: user }, item: { kind: id, source: item } } }
embeddings:
  slices:
    embeddings:
      learningRateSchedule: { decay: { kind: inverseSquareRoot, steps: 1000 } }
  slots:
    item: { slices: { embeddings: { optimizer: { kind: sgd, learningRate: 0.5 } } } }
`,
    "c",
  );
  const schedules = embeddingShard.tables.classes.map(({ slices }) =>
    slices.map(({ learningRateSchedule }) => learningRateSchedule)
  );
  const schedule = { warmupSteps: 0, decay: { kind: "inverseSquareRoot", steps: 1000 } };
  assert.deepEqual(schedules, [[undefined, schedule], [undefined, schedule]]);
  assert.equal(session.learningRateSchedule, undefined);
});
