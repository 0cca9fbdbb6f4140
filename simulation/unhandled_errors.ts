/**
 * Errors that no code handles. In production such an error ends the process; in a simulated run it
 * is a broken promise of the run's seed, which is shrunk like others.
 */

/** Errors since the watch began. */
export interface UnhandledErrors extends Disposable {
  /** The first one; undefined while there is none. */
  readonly first: Error | undefined;
  /** Resolves when the engine has reported the errors so far: it does so between macrotasks. */
  reported(): Promise<void>;
}

/** A macrotask of its own. Taken at the start, because a simulation bans the global. */
// deno-lint-ignore cairn/no-ambient-timers -- returns to the event loop; measures no time
const nextMacrotask: (callback: () => void) => void = setImmediate;

/** Takes errors that no code handles from this thread until it is disposed of. */
export function watchUnhandledErrors(): UnhandledErrors {
  let first: Error | undefined;
  const note = (error: unknown) => {
    first ??= error instanceof Error ? error : new Error(String(error));
  };
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    note(event.reason);
  };
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    note(event.error);
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  globalThis.addEventListener("error", onError);
  return {
    get first() {
      return first;
    },
    reported: () => new Promise((resolve) => nextMacrotask(resolve)),
    [Symbol.dispose]() {
      globalThis.removeEventListener("unhandledrejection", onRejection);
      globalThis.removeEventListener("error", onError);
    },
  };
}
