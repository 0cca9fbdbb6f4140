/**
 * The request to stop, as a promise: SIGINT (Ctrl-C), SIGTERM (service managers), or the end of the
 * launcher that started this process (`npx`, which ends at SIGTERM without passing it on).
 */
import { launcherEnd } from "./launcher.ts";

/** The reason of a stop at a terminal, which should be quick. */
export const CTRL_C = "SIGINT";

const signals: readonly Deno.Signal[] = [CTRL_C, "SIGTERM"];

/**
 * Copies of one signal arrive within this time, ms: Ctrl-C reaches the whole process group, and
 * each `deno task` in it passes the signal on.
 */
const SAME_SIGNAL_MS = 1_000;

/**
 * Resolves with the reason at the first request to stop. A later signal ends the process at once.
 */
export function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let firstAtMs: number | undefined;
    const stop = (reason: string) => {
      firstAtMs ??= performance.now();
      resolve(reason);
    };
    for (const signal of signals) {
      Deno.addSignalListener(signal, () => {
        if (firstAtMs !== undefined && performance.now() - firstAtMs > SAME_SIGNAL_MS) {
          Deno.exit(130);
        }
        stop(signal);
      });
    }
    launcherEnd().then((launcher) => stop(`${launcher} has ended`));
  });
}
