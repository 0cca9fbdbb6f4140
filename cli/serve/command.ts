/**
 * `cairn serve`: the whole mesh with its HTTP API, until a stop signal.
 */
import { Command, Option } from "commander";
import type { Output } from "../command_line.ts";
import { configOption, setOption, wholeNumber } from "../options.ts";

/** The typed options. */
export interface ServeFlags {
  readonly config: string;
  readonly set: readonly string[];
  readonly host?: string;
  readonly port?: number;
}

const examples = `
Examples:
  deno task cairn serve                                  examples/movies.yaml, port 8080
  deno task cairn serve --config my.yaml --port 0        any free port
  deno task cairn serve --set placement.kind=workers

Then, from another terminal:
  curl localhost:8080/v1/rank -H 'content-type: application/json' \\
    -d '{"user": "ann", "candidates": [{"id": "a"}, {"id": "b"}]}'
  open http://localhost:8080/                            a page to try it
  curl localhost:8080/health/ready; curl localhost:8080/metrics; curl localhost:8080/openapi.json`;

/** The command; its work is loaded when it runs. */
export function serveCommand(output: Output): Command {
  return new Command("serve")
    .description("serve the ranking API and learn from events, until Ctrl-C or SIGTERM")
    .addOption(configOption("examples/movies.yaml"))
    .addOption(setOption())
    .option("--host <address>", "listen on this address instead of the configured one")
    .addOption(
      new Option(
        "--port <number>",
        "listen on this port instead of the configured one; 0 = any free one",
      )
        .argParser(wholeNumber(0, 65_535)),
    )
    .addHelpText("after", examples)
    .action(async (flags: ServeFlags) => {
      const { serve } = await import("./serve.ts");
      await serve(flags, output);
    });
}
