/**
 * The work of `cairn serve`.
 */
import type { Output } from "../command_line.ts";
import type { ServeFlags } from "./command.ts";
import { loadConfiguration } from "../load_configuration.ts";
import { stopSignal } from "../../server/machine/stop_signal.ts";
import { withServer } from "../../server/machine/with_server.ts";

/** Serves until a stop signal. */
export async function serve(flags: ServeFlags, output: Output): Promise<void> {
  const assignments = [
    ...flags.set,
    ...(flags.host === undefined ? [] : [`gateway.host=${JSON.stringify(flags.host)}`]),
    ...(flags.port === undefined ? [] : [`gateway.port=${flags.port}`]),
  ];
  const configuration = await loadConfiguration(flags.config, { assignments });
  const stopping = stopSignal();
  await withServer(configuration, output.err, async ({ url }) => {
    const page = configuration.gateway.docsPage ? `a page to try it: ${url}/` : "no page to try it";
    output.err(`Cairn serves on ${url} (${page}). Ctrl-C stops it.\n`);
    output.err(`${await stopping}: finishing what is under way\n`);
  }, "info");
}
