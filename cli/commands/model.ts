/**
 * `cairn model`: what can be asked about models themselves.
 */
import { Command } from "commander";
import type { Output } from "../command_line.ts";
import { modelCheckCommand } from "./model_check.ts";

/** The group of model commands. */
export function modelCommand(output: Output): Command {
  return new Command("model").description("look into dense models")
    .addCommand(modelCheckCommand(output));
}
