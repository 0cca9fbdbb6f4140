/**
 * `cairn model check`: does a compiled model train as another framework recorded it?
 */
import { Command, Option } from "commander";
import { modelKinds } from "../../kernels/dense/models/options.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import {
  modelCheck,
  type ModelCheckOptions,
  type ModelCheckReport,
  RELATIVE_ERROR_MAX,
} from "../../offline/model_trace/check_trace.ts";
import { jsonOption } from "../options.ts";

const examples = `
Examples:
  deno task cairn model check tests/golden/deepfm_adagrad.json --model deepFm --optimizer adagrad
  deno task cairn model check my_trace.json --model dcnV2 --optimizer adam --json

How a trace is written: tests/golden/README.md.`;

/** The command. */
export function modelCheckCommand(output: Output): Command {
  return new Command("check")
    .description("compare training with a trace recorded in another framework")
    .argument("<trace>", "JSON file: inputs, first weights, and each step's results")
    .requiredOption("--model <name>", `required: ${modelKinds.join(", ")}`)
    .requiredOption("--optimizer <name>", "required: sgd, momentum, adagrad, adam or adamW")
    .addOption(
      new Option("--provider <name>", "where to run")
        .choices(["cpu", "webgpu", "cuda", "auto", "reference"]).default("cpu"),
    )
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action(async (trace: string, options: Omit<ModelCheckOptions, "trace"> & { json?: true }) => {
      const report = await modelCheck({ ...options, trace });
      for (const reason of report.passedOver) {
        output.err(`Runs on "${report.provider}": ${reason}\n`);
      }
      for (const assumption of report.assumptions) output.err(`Assumed: ${assumption}.\n`);
      const { maxRelativeError, worst, steps } = report;
      if (options.json) output.out(`${JSON.stringify(report)}\n`);
      else {
        output.out(
          `${steps} steps, largest relative error ${
            maxRelativeError.toExponential(2)
          } (${worst.tensor} at step ${worst.step})\n`,
        );
      }
      if (maxRelativeError > RELATIVE_ERROR_MAX) {
        throw new CommandError(
          `The model does not train as recorded: ${worst.tensor} at step ${worst.step} is off by ${maxRelativeError}, ` +
            `allowed is ${RELATIVE_ERROR_MAX}. ${whereToLook(report)}`,
        );
      }
    });
}

/** Of a trace that is not followed: what does not fit, as far as can be told. */
function whereToLook({ first, updatesExplained }: ModelCheckReport): string {
  const { tensor, step } = first!;
  if (step === 1 && (tensor === "logit" || tensor === "loss")) {
    return `Look at the model first: its first ${tensor} is another one, before anything is learned.`;
  }
  if (updatesExplained === false) {
    return "Look at the optimizer first: it does not explain how the trace's own gradients moved its weights.";
  }
  return `The two part at ${tensor} of step ${step}.`;
}
