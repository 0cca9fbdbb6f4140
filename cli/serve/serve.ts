/**
 * The work of `cairn serve`.
 */
import { beginThreads } from "../../server/machine/begin_threads.ts";
import { CTRL_C, stopSignal } from "../../server/machine/stop_signal.ts";
import { StoppedEarlyError, withServer } from "../../server/machine/with_server.ts";
import type { Output } from "../command_line.ts";
import { isImportOpen } from "../import/checkpoint.ts";
import { loadConfiguration } from "../load_configuration.ts";
import { notice, noticeStop } from "../notice.ts";
import { requireOneProcess } from "../one_process.ts";
import type { ServeFlags } from "./command.ts";

/** Serves until a stop signal. */
export async function serve(flags: ServeFlags, output: Output): Promise<void> {
  const assignments = [
    ...flags.set,
    ...(flags.host === undefined ? [] : [`gateway.host=${JSON.stringify(flags.host)}`]),
    ...(flags.port === undefined ? [] : [`gateway.port=${flags.port}`]),
  ];
  const configuration = await loadConfiguration(flags.config, { assignments });
  requireOneProcess(
    configuration,
    flags.config,
    "Start each by `cairn node --host NAME`, or leave out the section mesh for one process.",
  );
  const stopping = stopSignal();
  noticeStop(output, stopping);
  // Before the modules of the server: this thread loads them while the others load theirs.
  using threads = beginThreads(configuration);
  await withServer(
    configuration,
    { writeLog: output.err, logLevelMin: "info", stopping, threads },
    async ({ url, leave }) => {
      const { docsPage, console } = configuration.gateway;
      const pages = [
        ...(docsPage ? [`to try it: ${url}/`] : []),
        ...(console ? [`to watch it: ${url}/console`] : []),
      ];
      const where = pages.length === 0 ? "" : ` (${pages.join(", ")})`;
      notice(output, `Cairn serves on ${url}${where}. Ctrl-C stops it.`);
      const { storage } = configuration;
      if (storage.kind === "directory" && await isImportOpen(storage.path)) {
        notice(
          output,
          `An import into ${storage.path} was interrupted, and only a part of the history is there. ` +
            "Stop this server, and run the same import again; after requests it cannot go on.",
        );
      }
      if (storage.kind === "memory") {
        notice(
          output,
          "All data is in memory and ends with this process; storage: { kind: directory, path: data } " +
            "in the configuration keeps it.",
        );
      }
      if (await stopping !== CTRL_C) await leave();
    },
  ).catch((error) => {
    if (!(error instanceof StoppedEarlyError)) throw error;
  });
}
