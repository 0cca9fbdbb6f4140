/**
 * `cairn model`: what can be asked about models themselves, and their way to other tools.
 */
import { Command } from "commander";
import type { Output } from "../command_line.ts";
import { modelCheckCommand } from "./check_command.ts";
import { modelExportCommand } from "./export_command.ts";

/** The group of model commands. */
export function modelCommand(output: Output): Command {
  return new Command("model").description("check dense models, and export them")
    .addCommand(modelCheckCommand(output))
    .addCommand(modelExportCommand(output));
}
