import assert from "node:assert/strict";
import { parse, stringify } from "yaml";
import {
  type ConfigurationOverrides,
  overrideConfiguration,
} from "../../cli/configuration_overrides.ts";
import { parseConfiguration } from "../../configuration/configuration.ts";

const text = await Deno.readTextFile(new URL("../../examples/movies.yaml", import.meta.url));

/** The text alone. */
const overridden = (file: string, overrides: ConfigurationOverrides) =>
  overrideConfiguration(file, overrides).text;

Deno.test("without overrides the text stays as it is", () => {
  assert.equal(overridden(text, { assignments: [] }), text);
});

Deno.test("assignments reach into sections, make what is missing and take YAML values", () => {
  const changed = parse(overridden(text, {
    assignments: [
      "trainer.batchRows=64",
      "model.optimizer={ kind: adam, learningRate: 0.002 }",
      "gateway.apiKeys=[a, b]",
      "model.hidden=[8]",
      "mesh.hosts.tables-1.capacity=1GiB",
    ],
  }));
  assert.equal(changed.mesh.hosts["tables-1"].capacity, "1GiB");
  assert.equal(changed.trainer.batchRows, 64);
  assert.deepEqual(changed.model.optimizer, { kind: "adam", learningRate: 0.002 });
  assert.deepEqual(changed.gateway.apiKeys, ["a", "b"]);
  assert.deepEqual(changed.model.hidden, [8]);
  assert.deepEqual(changed.features, parse(text).features);
});

Deno.test("each kind of model can stand in for the configured one", () => {
  const kinds = ["logistic_regression", "factorizationMachine", "wideAndDeep", "deep_fm", "dcnV2"];
  for (const kind of kinds) {
    const changed = overridden(text, { assignments: [], model: { flag: "--model", kind } });
    const { model } = parseConfiguration(changed, "test.yaml");
    assert.equal(model.kind.toLowerCase(), kind.replace("_", "").toLowerCase());
  }
});

Deno.test("a linear model drops what was configured for embeddings that it does not have", () => {
  const configured = overridden(text, {
    assignments: [
      "embeddings.slices.embeddings.optimizer={ kind: adagrad, learningRate: 0.1 }",
      "embeddings.slots.user.slices.embeddings.initializer={ kind: zeros }",
    ],
  });
  const changed = overridden(configured, {
    assignments: [],
    model: { flag: "--compare", kind: "logisticRegression" },
  });
  const { embeddingShard } = parseConfiguration(changed, "test.yaml");
  assert.deepEqual(embeddingShard.tables.classes[0].slices.map(({ name }) => name), [
    "first_order",
  ]);
});

Deno.test("a model to compare with stands in for the model that assignments gave", () => {
  const assignments = [
    "model={ kind: deepFm, embeddingDim: 4, hidden: [8], tasks: [liked] }",
    "model.hidden=[16]",
  ];
  const of = (model?: ConfigurationOverrides["model"]) =>
    parse(overridden(text, { assignments, ...(model && { model }) })).model;
  assert.deepEqual(of(), { kind: "deepFm", embeddingDim: 4, hidden: [16], tasks: ["liked"] });
  const linear = of({ flag: "--compare", kind: "logisticRegression" });
  assert.deepEqual(linear, { kind: "logisticRegression", tasks: ["liked"] });
  const crossed = of({ flag: "--compare", kind: "dcnV2" });
  assert.deepEqual([crossed.kind, crossed.embeddingDim], ["dcnV2", 4]);
});

Deno.test("an assignment of a whole model or its kind is refused next to --model", () => {
  const model = { flag: "--model", kind: "dcnV2" } as const;
  for (const assignment of ["model={ kind: deepFm }", "model.kind=deepFm"]) {
    assert.throws(
      () => overridden(text, { assignments: [assignment], model }),
      /--set model(\.kind)? and --model dcnV2 both name the model: leave one of them out/,
    );
  }
  const assignments = ["model.embeddingDim=8"];
  assert.equal(parse(overridden(text, { assignments, model })).model.embeddingDim, 8);
});

Deno.test("a table's label is positive from a half on, and what a task of squared error predicts", () => {
  const table = {
    columns: ["site", "app", "day"],
    features: ["site", "app"],
    kinds: {},
    action: "rating",
  };
  const { joiner: _, ...sections } = parse(text);
  const unlabelled = stringify(sections);
  const rulesOf = (...assignments: string[]) => {
    const { features, joiner } = parseConfiguration(
      overridden(unlabelled, { assignments, table }),
      "test.yaml",
    );
    assert.deepEqual(features.schema.slots.map(({ name }) => name), ["site", "app"]);
    return joiner.tasks[0].rules.map(({ action, atLeast, below, label }) =>
      `${action} ${atLeast ?? ""}..${below ?? ""} ${label}`
    );
  };
  const [task] = parseConfiguration(text, "test.yaml").joiner.tasks.map(({ task }) => task);
  assert.deepEqual(rulesOf("joiner.window=1h"), ["rating 0.5.. positive", "rating ..0.5 negative"]);
  assert.deepEqual(rulesOf(`model.taskLosses={ ${task}: squaredError }`), ["rating .. value"]);
  assert.deepEqual(
    rulesOf(`joiner.tasks.${task}=[{ action: rating, valueAtLeast: 4, label: positive }]`),
    ["rating 4.. positive"],
  );
});

Deno.test("a table's columns are its features where a file configures none, and what it configures stays", () => {
  const table = { columns: ["site", "app"], kinds: {}, action: "rating" };
  const { features: _, ...others } = parse(text);
  const made = parse(overridden(stringify(others), { assignments: [], table }));
  assert.deepEqual(Object.keys(made.features.slots), ["site", "app"]);
  const kept = parse(overridden(text, { assignments: [], table }));
  assert.deepEqual(kept, parse(text));
});

Deno.test("a threshold replaces the label rules of each task", () => {
  const changed = overridden(text, {
    assignments: [],
    positive: { action: "rating", atLeast: 4 },
  });
  const { joiner } = parseConfiguration(changed, "test.yaml");
  assert.deepEqual(
    joiner.tasks[0].rules.map(({ atLeast, below, label }) => ({ atLeast, below, label })),
    [
      { atLeast: 4, below: undefined, label: "positive" },
      { atLeast: undefined, below: 4, label: "negative" },
    ],
  );
});

Deno.test("a model's name may be written as papers write it", () => {
  for (const [typed, kind] of [["DCN-v2", "dcnV2"], ["DeepFM", "deepFm"], ["deep_fm", "deepFm"]]) {
    const model = { flag: "--model", kind: typed } as const;
    assert.equal(parse(overridden(text, { assignments: [], model })).model.kind, kind);
  }
});

Deno.test("L2 is the weight decay of each optimizer of the embeddings, of slots too", () => {
  const { slices, slots } = parse(overridden(text, { assignments: [], l2: 0.5 })).embeddings;
  const decays = [slices, slots.year.slices].map((each) => [
    each.first_order.optimizer.weightDecay,
    each.embeddings.optimizer.weightDecay,
  ]);
  assert.deepEqual(decays, [[0.5, 0.5], [0.5, 0.5]]);
});

Deno.test("L2 comes on top of the optimizers that slices have by default", () => {
  const features = "features: { slots: { user: { kind: id, source: user } } }\n";
  const optimizersOf = (file: string, l2?: number) => {
    const overrides = { assignments: [], ...(l2 === undefined ? {} : { l2 }) };
    const { embeddingShard } = parseConfiguration(overridden(file, overrides), "test.yaml");
    return embeddingShard.tables.classes[0].slices.map(({ optimizer }) => optimizer);
  };
  for (const model of ["", "model: { kind: deepFm }", "model: { kind: logisticRegression }"]) {
    assert.deepEqual(
      optimizersOf(features + model, 0.5),
      optimizersOf(features + model).map((optimizer) => ({ ...optimizer, weightDecay: 0.5 })),
    );
  }
});

Deno.test("L2 of a table gives way to what was typed", () => {
  const decays = (overrides: Partial<ConfigurationOverrides>) => {
    const table = { columns: [], kinds: {}, action: "rating", l2: 0.25 };
    const { slices } = parse(overridden(text, { assignments: [], table, ...overrides })).embeddings;
    return [slices.first_order, slices.embeddings].map(({ optimizer }) => optimizer.weightDecay);
  };
  assert.deepEqual(decays({}), [0.25, 0.25]);
  assert.deepEqual(decays({ l2: 0.5 }), [0.5, 0.5]);
  const assignments = ["embeddings.slices.embeddings.optimizer.weightDecay=0.1"];
  assert.deepEqual(decays({ assignments }), [0.25, 0.1]);
});

Deno.test("L2 comes on top of an optimizer that was typed", () => {
  const assignments = [
    "embeddings.slices.embeddings.optimizer={ kind: sgd, learningRate: 0.1 }",
  ];
  const { slices } = parse(overridden(text, { assignments, l2: 0.5 })).embeddings;
  assert.deepEqual(slices.embeddings.optimizer, {
    kind: "sgd",
    learningRate: 0.1,
    weightDecay: 0.5,
  });
});

Deno.test("errors about assignments do not quote their values", () => {
  const secret = "S3cretS3cretS3cret";
  const assignments = [
    secret,
    `gateway.apiKeys[0]=${secret}`,
    `gateway.apiKeys=[${secret}`,
    `gateway.apiKeys=[*${secret}]`,
    `gateway.apiKeys=[!${secret} x]`,
    `gateway.apiKeys="${secret}`,
    `trainer.batchRows.x=${secret}`,
  ];
  for (const assignment of assignments) {
    assert.throws(
      () => parseConfiguration(overridden(text, { assignments: [assignment] }), "test.yaml"),
      (error: Error) => !error.message.includes(secret),
      assignment,
    );
  }
});
