/**
 * `cairn model export`: writes the dense model as an ONNX file.
 */
import { Command } from "commander";
import type { Output } from "../../command_line.ts";
import { configOption, modelOption, setOption } from "../../options.ts";

/** The typed options. */
export interface ExportFlags {
  readonly config: string;
  readonly set: readonly string[];
  readonly model?: string;
  readonly training?: true;
  readonly tables?: true;
  readonly from?: string;
}

const examples = `
The file's inputs are the pooled embeddings of each slot, in the order of the configuration's slots, and
the dense values; its output is the logits, one column per task. With --tables the result is a folder:
model.onnx, the rows as NumPy arrays, and model.json, which says how a request becomes the inputs.
examples/score_export.py scores requests with such a folder.

Examples:
  deno task cairn model export model.onnx --config my.yaml --from data    a server's newest weights
  deno task cairn model export model --config my.yaml --from data --tables     and its tables
  deno task cairn model export step.onnx --config my.yaml --training      the compiled training step`;

/** The command; its work is loaded when it runs. */
export function modelExportCommand(output: Output): Command {
  return new Command("export")
    .description("write a model of the configuration as an ONNX file, or with its tables")
    .argument("<file>", "where to write it; a folder with --tables")
    .addOption(configOption("examples/movies.yaml"))
    .addOption(setOption())
    .addOption(modelOption("export"))
    .option(
      "--from <data>",
      "data directory, folder of train --save, or configuration: weights of the newest snapshot",
    )
    .option("--training", "the training step (its weights are inputs) instead of the scores")
    .option("--tables", "a folder with the embedding tables, slot order and task names too")
    .addHelpText("after", examples)
    .action(async (file: string, flags: ExportFlags) => {
      const { exportModel } = await import("./export.ts");
      await exportModel(file, flags, output);
    });
}
