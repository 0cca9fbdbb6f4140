/**
 * `cairn model`: the group of commands about dense models.
 */
import { Command } from "commander";
import type { Output } from "../command_line.ts";
import { modelCheckCommand } from "./check/command.ts";
import { modelExportCommand } from "./export/command.ts";

/** The group of model commands. */
export function modelCommand(output: Output): Command {
  return new Command("model").description("check dense models, and export them")
    .addCommand(modelCheckCommand(output))
    .addCommand(modelExportCommand(output));
}
