/**
 * Traces recorded in PyTorch, replayed by the compiled models.
 */
import assert from "node:assert/strict";
import { modelCheck } from "../../../cli/model_trace/check_trace.ts";
import { readTrace } from "../../../cli/model_trace/trace.ts";
import { traceOptimizer } from "../../../cli/model_trace/trace_optimizer.ts";

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
    assert.deepEqual(report.fitted, []);
  });
}

Deno.test("a wrong optimizer is told from the trace's", async () => {
  const trace = golden("dcn_adam");
  const report = await modelCheck({ trace, model: "dcnV2", optimizer: "sgd", provider: "cpu" });
  assert(report.maxRelativeError > 1e-2);
});

Deno.test("rates that a trace does not state are fitted to its first step", async () => {
  const trace = { ...await readTrace(golden("dcn_adamw")), note: "betas .9, .99" };
  const { options, fitted } = traceOptimizer(trace, "adamw");
  assert.deepEqual(fitted, ["learning rate 0.005", "weight decay 0.1"]);
  assert.equal(options.learningRate, 0.005);
});

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
