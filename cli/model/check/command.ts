/**
 * `cairn model check`: compares training with a trace recorded in another framework.
 */
import { Command, Option } from "commander";
import { modelKinds } from "../../../kernels/dense/models/options.ts";
import type { ModelCheckOptions } from "../../../offline/model_trace/check_trace.ts";
import type { Output } from "../../command_line.ts";
import { jsonOption } from "../../options.ts";

/** The typed options. */
export interface CheckFlags extends Omit<ModelCheckOptions, "trace"> {
  readonly json?: true;
}

const examples = `
Examples:
  deno task cairn model check tests/golden/deepfm_adagrad.json --model deepFm --optimizer adagrad
  deno task cairn model check my_trace.json --model dcnV2 --optimizer adam --json

How to write a trace: tests/golden/README.md.`;

/** The command; its work is loaded when it runs. */
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
    .action(async (trace: string, flags: CheckFlags) => {
      const { check } = await import("./check.ts");
      await check(trace, flags, output);
    });
}
