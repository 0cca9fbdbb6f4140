/**
 * Sentences of a command that runs until a signal: text on a terminal, else a line of the JSON log,
 * so that a reader of the log finds nothing else in it.
 */
import { jsonLine } from "../mesh/adapters/prometheus/log_lines.ts";
import type { Output } from "./command_line.ts";

/** @param isTerminal Whether standard error is a terminal. */
export function notice(
  { err }: Output,
  message: string,
  isTerminal: boolean = Deno.stderr.isTerminal(),
): void {
  const line = isTerminal ? message : jsonLine({ level: "info", message, fields: {} }, Date.now());
  err(`${line}\n`);
}

/** Says at the request to stop what the process does, and what a second signal would do. */
export async function noticeStop(output: Output, stopping: Promise<string>): Promise<void> {
  const reason = await stopping;
  notice(
    output,
    `${reason}: finishing what is under way. A second signal ends the process at once, without a ` +
      "last snapshot.",
  );
}
