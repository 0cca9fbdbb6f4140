/**
 * Traces recorded in PyTorch, replayed by the compiled models.
 */
import assert from "node:assert/strict";
import { modelCheck } from "../../../offline/model_trace/check_trace.ts";
import { readTrace } from "../../../offline/model_trace/trace.ts";
import { runCaptured } from "../../cli/captured_command.ts";
import { traceOptimizer } from "../../../offline/model_trace/trace_optimizer.ts";

const golden = (name: string) => new URL(`../../golden/${name}.json`, import.meta.url).pathname;

for (
  const [file, model, optimizer] of [
    ["deepfm_adagrad", "deepfm", "adagrad"],
    ["deepfm_momentum", "deepFm", "momentum"],
    ["dcn_adam", "DCN-v2", "adam"],
    ["dcn_adamw", "dcn_v2", "AdamW"],
    ["dlrm_sgd", "DLRM", "SGD"],
  ] as const
) {
  Deno.test(`${model} with ${optimizer} follows PyTorch for three steps`, async () => {
    const report = await modelCheck({ trace: golden(file), model, optimizer, provider: "cpu" });
    assert.equal(report.steps, 3);
    assert(report.maxRelativeError < 1e-4, JSON.stringify(report.worst));
    assert.equal(report.updatesExplained, true);
    assert.equal(JSON.stringify(report).indexOf('{"maxRelativeError":'), 0);
  });
}

Deno.test("a wrong optimizer is told from the trace's", async () => {
  const trace = golden("dcn_adam");
  const report = await modelCheck({ trace, model: "dcnV2", optimizer: "sgd", provider: "cpu" });
  assert(report.maxRelativeError > 1e-2);
});

const withNote = async (name: string, note: string) => ({ ...await readTrace(golden(name)), note });

Deno.test("rates that a trace does not state are PyTorch's where these explain its updates", async () => {
  const { options, assumptions, explained } = traceOptimizer(
    await withNote("dcn_adam", "lr .01"),
    "adam",
  );
  assert.deepEqual(options, {
    kind: "adam",
    learningRate: 0.01,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0,
  });
  assert(assumptions.includes("beta1 0.9, the default; the trace states none"));
  assert(explained);
});

Deno.test("rates that a trace does not state, and the defaults do not explain, are found from its updates", async () => {
  const { options, assumptions } = traceOptimizer(await withNote("dcn_adamw", "none"), "adamw");
  assert.deepEqual(options, {
    kind: "adamW",
    learningRate: 0.005,
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-8,
    weightDecay: 0.1,
  });
  assert(
    assumptions.includes("weight decay 0.1, which explains the trace's updates; it states none"),
    assumptions.join("\n"),
  );
  const adagrad = traceOptimizer(await withNote("deepfm_adagrad", "Adagrad"), "adagrad").options;
  assert.deepEqual(adagrad, {
    kind: "adagrad",
    learningRate: 0.05,
    initialAccumulator: 0.1,
    epsilon: 1e-10,
    weightDecay: 0,
  });
  const momentum = traceOptimizer(await withNote("deepfm_momentum", "momentum .5"), "momentum");
  assert.equal((momentum.options as { momentum: number }).momentum, 0.9);
  assert(
    momentum.assumptions.includes(
      "momentum 0.9, which explains the trace's updates; the stated 0.5 does not",
    ),
    momentum.assumptions.join("\n"),
  );
});

Deno.test("updates that no rates explain are said to be another optimizer's", async () => {
  const trace = golden("dcn_adam");
  const report = await modelCheck({ trace, model: "dcnV2", optimizer: "adagrad", provider: "cpu" });
  assert.equal(report.updatesExplained, false);
  assert.match(
    report.assumptions.at(-1)!,
    /no rates of adagrad explain .* which takes a = a \+ g², w - lr · g \/ \(√a \+ epsilon\)$/,
  );
});

Deno.test("a wrong gradient of a weight is found though the weights after the step are right", async () => {
  const trace = JSON.parse(await Deno.readTextFile(golden("dlrm_sgd")));
  trace.steps[2].grads.top_w0.data[5] += 0.01;
  const report = await checked(trace, "dlrm", "sgd");
  assert.deepEqual([report.worst.tensor, report.worst.step], ["grads.top_w0", 3]);
});

Deno.test("an error names the part to look at first", async () => {
  const says = async (
    change: (trace: Json) => void,
    [file, model] = ["dlrm_sgd", "dlrm"],
  ) => {
    const trace = JSON.parse(await Deno.readTextFile(golden(file)));
    change(trace);
    const path = await Deno.makeTempFile({ suffix: ".json" });
    try {
      await Deno.writeTextFile(path, JSON.stringify(trace));
      const flags = [`--model=${model}`, "--optimizer=sgd"];
      const { code, err } = await runCaptured("model", "check", path, ...flags);
      assert.equal(code, 1);
      return err;
    } finally {
      await Deno.remove(path);
    }
  };
  // The dots before the bottom's result.
  const dotsFirst = ({ top_w0: { data } }: Json) => data.push(...data.splice(0, data.length / 2));
  const another = await says(({ initial, steps }) => {
    dotsFirst(initial);
    for (const { grads, params_after } of steps) [grads, params_after].forEach(dotsFirst);
  });
  assert.match(another, /Look at the model first: its logit differs in step 1/);
  assert.match(await says(() => {}, ["dcn_adam", "dcnV2"]), /Look at the optimizer first/);
  const wrong = await says(({ steps }) => steps[2].grad_embeddings.data[0] += 0.01);
  assert.match(wrong, /The first difference is grad_embeddings in step 3\./);
});

Deno.test("a trace that is not whole is refused with what is wrong", async () => {
  const cases: [RegExp, (trace: Json) => void][] = [
    [/weights are not those of dcnV2: it lacks "cross_b1"/, (t) => forget(t, "cross_b1")],
    [/it lacks "out_w"/, (t) => forget(t, "out_w")],
    [
      /steps\.0\.grads: has "gamma", which "initial" has not/,
      (t) => t.steps[0].grads.gamma = { shape: [1], data: [0] },
    ],
    [/steps\.1\.params_after: has no "cross_w0"/, (t) => t.steps[1].params_after = {}],
    [/Step 1 of the trace has no "grad_embeddings"; it has .*grad_embedding/, (t) => {
      t.steps[0].grad_embedding = t.steps[0].grad_embeddings;
      delete t.steps[0].grad_embeddings;
    }],
    [
      /Step 2 of the trace: "grad_embeddings": .*expected array/,
      (t) => t.steps[1].grad_embeddings = { shape: [8, 3, 4] },
    ],
    [/initial\.w0: shape \[14,8\] means 112 values, data has 111/, (t) => t.initial.w0.data.pop()],
    [/"w0" has shape \[8,14\] and dcnV2 needs/, (t) => t.initial.w0.shape.reverse()],
    [/no input "dense"/, (t) => delete t.inputs.dense],
    [
      /"labels" has shape \[7\], 7 values; .* ask for 8/,
      (t) => t.inputs.labels = { shape: [7], data: Array(7).fill(0) },
    ],
    [/"logit" has shape/, (t) => t.steps[0].logit = { shape: [1], data: [0] }],
  ];
  for (const [message, spoil] of cases) {
    const trace = JSON.parse(await Deno.readTextFile(golden("dcn_adam")));
    spoil(trace);
    await assert.rejects(checked(trace, "dcnV2", "adam"), message);
  }
});

Deno.test("a file that is no trace is refused with the fields that it lacks, and where to read of them", async () => {
  await assert.rejects(
    checked({ name: "x", batch: 1 }, "dcnV2", "adam"),
    ({ message }: Error) => {
      assert.match(message, /it has no "fields", "dim", "dense", "inputs", "initial", "steps"\. /);
      assert.match(message, /tests\/golden\/README\.md/);
      assert.doesNotMatch(message, /Invalid input/);
      return true;
    },
  );
  await assert.rejects(checked([], "dcnV2", "adam"), /no training trace: it is no object/);
});

Deno.test("the help of model check says what is required, and gives an example", async () => {
  const { code, out } = await runCaptured("model", "check", "--help");
  assert.equal(code, 0);
  assert.match(out, /--model <name> +required: /);
  assert.match(out, /--optimizer <name> +required: /);
  assert.match(out, /model check tests\/golden\/deepfm_adagrad\.json --model/);
});

/** Our names to another recorder's. */
const OTHER_NAMES: Readonly<Record<string, readonly [string, string, (name: string) => string][]>> =
  {
    dcn_adam: [
      [
        "dcnV2",
        "adam",
        (name) =>
          name.replace("cross_", "cross").replace("out_w", "w_out").replace("out_b", "b_out"),
      ],
      [
        "dcnV2",
        "adam",
        (name) =>
          name.replace(/cross_w(\d)/, "cross.$1.weight").replace(/cross_b(\d)/, "cross.$1.bias")
            .replace(/^w(\d)/, "mlp.$1.weight").replace(/^b(\d)/, "mlp.$1.bias")
            .replace("out_w", "head.weight").replace("out_b", "head.bias"),
      ],
      [
        "dcnV2",
        "adam",
        (name) =>
          name.replace("cross_w", "cw").replace("cross_b", "cb").replace("out_w", "wo").replace(
            "out_b",
            "bo",
          ),
      ],
    ],
    dlrm_sgd: [
      ["dlrm", "sgd", (name) => name.replace("bottom_", "bot_")],
      ["dlrm", "sgd", (name) => name.replace("bottom_", "b").replace("top_", "t")],
    ],
  };

for (const [file, cases] of Object.entries(OTHER_NAMES)) {
  Deno.test(`weights of ${file} under other names are told by shape and order, and it is said`, async () => {
    for (const [model, optimizer, rename] of cases) {
      const trace = JSON.parse(await Deno.readTextFile(golden(file)));
      const all = (tensors: Json) =>
        Object.fromEntries(Object.entries(tensors).map(([name, value]) => [rename(name), value]));
      trace.initial = all(trace.initial);
      for (const step of trace.steps) {
        step.grads = all(step.grads);
        step.params_after = all(step.params_after);
      }
      const report = await checked(trace, model, optimizer);
      assert(report.maxRelativeError < 1e-4, JSON.stringify(report.worst));
      assert.match(report.assumptions[0], /told by shape and order: .* is /);
    }
  });
}

// deno-lint-ignore no-explicit-any
type Json = any;

function forget(trace: Json, weight: string) {
  delete trace.initial[weight];
  for (const step of trace.steps) {
    delete step.grads[weight];
    delete step.params_after[weight];
  }
}

async function checked(trace: Json, model: string, optimizer: string) {
  const path = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(path, JSON.stringify(trace));
    return await modelCheck({ trace: path, model, optimizer, provider: "cpu" });
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("unknown names and unreadable files are refused with what to write instead", async () => {
  const trace = golden("dcn_adam");
  const check = (model: string, optimizer: string, path = trace) =>
    modelCheck({ trace: path, model, optimizer, provider: "cpu" });
  await assert.rejects(
    check("resnet", "sgd"),
    /no model "resnet"; choose one of logisticRegression/,
  );
  await assert.rejects(check("dcnV2", "lion"), /no optimizer "lion"; choose one of sgd/);
  await assert.rejects(check("dlrm", "sgd"), /no weights "bottom_w0"/);
  await assert.rejects(check("dcnV2", "sgd", "/no/such/file"), /Cannot read the trace/);
});
