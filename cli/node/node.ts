/**
 * The work of `cairn node`.
 */
import { beginThreads } from "../../server/machine/begin_threads.ts";
import { CTRL_C, stopSignal } from "../../server/machine/stop_signal.ts";
import { withHost } from "../../server/machine/with_host.ts";
import { StoppedEarlyError } from "../../server/machine/with_process.ts";
import type { Output } from "../command_line.ts";
import { loadConfiguration } from "../load_configuration.ts";
import { notice, noticeStop } from "../notice.ts";
import type { NodeFlags } from "./command.ts";

/** Runs the host until a stop signal. */
export async function runNode(flags: NodeFlags, output: Output): Promise<void> {
  const { config, set, host } = flags;
  const configuration = await loadConfiguration(config, { assignments: set });
  const stopping = stopSignal();
  noticeStop(output, stopping);
  // Before the modules of the server: this thread loads them while the others load theirs.
  using threads = beginThreads(configuration, host);
  await withHost(
    configuration,
    host,
    { writeLog: output.err, logLevelMin: "info", stopping, threads },
    async ({ url, mesh: { serving }, leave }) => {
      const where = url === undefined ? "without HTTP" : `on ${url}`;
      const state = serving === undefined ? `Host ${host} runs` : `Cairn serves as host ${host}`;
      notice(output, `${state} ${where}. Ctrl-C stops it.`);
      if (await stopping !== CTRL_C) await leave();
    },
  ).catch((error) => {
    if (!(error instanceof StoppedEarlyError)) throw error;
  });
}
