/**
 * `cairn health`: asks a running server whether it can rank, for health checks of containers and
 * for people.
 */
import { Command } from "commander";
import type { Output } from "../command_line.ts";

/** The typed options. */
export interface HealthFlags {
  readonly url: string;
  readonly live?: boolean;
}

const examples = `
Examples:
  deno task cairn health                         exit code 0: the server can rank
  deno task cairn health --live                  exit code 0: the process answers, ready or not
  deno task cairn health --url http://shop:8080`;

/** The command; its work is loaded when it runs. */
export function healthCommand(output: Output): Command {
  return new Command("health")
    .description("ask a running server whether it can rank; exit code 1 where it cannot")
    .option("--url <address>", "the server's address", "http://127.0.0.1:8080")
    .option("--live", "ask only whether the process answers")
    .addHelpText("after", examples)
    .action(async (flags: HealthFlags) => {
      const { health } = await import("./health.ts");
      await health(flags, output);
    });
}
