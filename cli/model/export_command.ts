/**
 * `cairn model export`: the dense model for other tools.
 */
import { Command } from "commander";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import { configOption, modelOption, setOption } from "../options.ts";

/** What was typed. */
interface ExportFlags {
  readonly config: string;
  readonly set: readonly string[];
  readonly model?: string;
  readonly training?: true;
  readonly from?: string;
}

const examples = `
The file's inputs are the pooled embeddings of each slot, in the order of the configuration's slots, and
the dense values; its output is the logits, one column a task.

Examples:
  deno task cairn model export model.onnx --config my.yaml --from data    what a server has learned
  deno task cairn model export step.onnx --config my.yaml --training      the compiled training step`;

/** The command. */
export function modelExportCommand(output: Output): Command {
  return new Command("export")
    .description("write a model of the configuration as an ONNX file")
    .argument("<file>", "where to write it")
    .addOption(configOption("examples/movies.yaml"))
    .addOption(setOption())
    .addOption(modelOption("export"))
    .option(
      "--from <folder>",
      "a server's data directory, or the folder of train --save: weights of the newest snapshot",
    )
    .option("--training", "the training step (its weights are inputs) instead of the scores")
    .addHelpText("after", examples)
    .action(async (file: string, flags: ExportFlags) => {
      const { exportModel } = await import("./export_model.ts");
      const { loadConfiguration } = await import("../load_configuration.ts");
      const configuration = await loadConfiguration(flags.config, {
        assignments: flags.set,
        ...(flags.model !== undefined && { model: { flag: "--model", kind: flags.model } }),
      });
      const { bytes, version } = await exportModel(configuration, {
        training: flags.training ?? false,
        ...(flags.from !== undefined && { from: flags.from }),
      });
      await writeModel(file, bytes);
      const weights = version === undefined
        ? "the training step, weights are inputs"
        : `weights after ${version} training ${version === 1 ? "step" : "steps"}`;
      output.out(`${file}: ${configuration.model.kind}, ${bytes.length} bytes, ${weights}\n`);
    });
}

async function writeModel(file: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    await Deno.writeFile(file, bytes);
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    const reason = missing ? "its folder does not exist; make it first" : (error as Error).message;
    throw new CommandError(`Cannot write the model to ${file}: ${reason}.`);
  }
}
