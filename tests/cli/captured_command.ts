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

/** A command that runs. */
export interface Running {
  /** Resolves when it has ended. */
  readonly ended: Promise<Said>;
  /** Resolves when it has written this to the output of errors, or has ended. */
  says(text: RegExp): Promise<void>;
}

export async function runCaptured(...args: string[]): Promise<Said> {
  return await beginCaptured(...args).ended;
}

/** Begins a command, for tests that act while it runs. */
export function beginCaptured(...args: string[]): Running {
  let [out, err] = ["", ""];
  let written = Promise.withResolvers<void>();
  let isOver = false;
  const wake = () => {
    written.resolve();
    written = Promise.withResolvers();
  };
  const ended = runCommandLine(args, {
    out: (text) => void (out += text),
    err(text) {
      err += text;
      wake();
    },
  }).then((code) => ({ code, out, err })).finally(() => {
    isOver = true;
    wake();
  });
  return {
    ended,
    async says(text) {
      while (!isOver && !text.test(err)) await written.promise;
    },
  };
}
