/**
 * Runs the command line and captures its output.
 */
import { runCommandLine } from "../../cli/command_line.ts";

/** A command's output and exit code. */
export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function runCaptured(...args: string[]): Promise<Said> {
  let [out, err] = ["", ""];
  const code = await runCommandLine(args, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
  });
  return { code, out, err };
}
