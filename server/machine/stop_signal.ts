/**
 * Ctrl-C and a service manager's stop, as a promise: whoever waits for it ends in order.
 */

const signals: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];

/** Resolves at the first signal; a second one ends the process at once, as an impatient person expects. */
export function stopSignal(): Promise<Deno.Signal> {
  return new Promise((resolve) => {
    for (const signal of signals) {
      let seen = false;
      Deno.addSignalListener(signal, () => {
        if (seen) Deno.exit(130);
        seen = true;
        resolve(signal);
      });
    }
  });
}
