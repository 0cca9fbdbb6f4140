/**
 * Runs the command line and remembers what it says.
 */
import { runCommandLine } from "../../cli/command_line.ts";

/** What a command said and how it ended. */
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
