/**
 * `cairn model check`: does a compiled model train as another framework recorded it?
 */
import { Command, Option } from "commander";
import { modelKinds } from "../../kernels/dense/models/options.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import { modelCheck, type ModelCheckOptions } from "../model_trace/check_trace.ts";
import { jsonOption } from "../options.ts";

/** Above this the model does not train as recorded. */
const RELATIVE_ERROR_MAX = 1e-4;

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
          `The model does not train as recorded: ${worst.tensor} at step ${worst.step} is off by ${maxRelativeError}, allowed is ${RELATIVE_ERROR_MAX}.${
            report.updatesExplained === false
              ? " Look at the optimizer first: it does not explain how the trace's own gradients moved its weights."
              : ""
          }`,
        );
      }
    });
}
