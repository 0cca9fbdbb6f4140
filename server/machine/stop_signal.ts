/**
 * SIGINT (Ctrl-C) and SIGTERM (service managers) as a promise.
 */

const signals: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];

/** Resolves at the first signal. A second one ends the process at once. */
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
