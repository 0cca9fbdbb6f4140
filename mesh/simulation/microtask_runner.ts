/**
 * Runs the engine's queue of microtasks to its end. Deno has a function for that in its internals;
 * V8 runs nothing when it is called from within a microtask.
 */

interface DenoInternals {
  readonly core?: { readonly runMicrotasks?: () => void };
}

/**
 * The function; undefined where this version of Deno has none. Its callers then take a turn of the
 * event loop.
 */
export function microtaskRunner(): (() => void) | undefined {
  return runner;
}

const runner = findRunner();

function findRunner(): (() => void) | undefined {
  // deno-lint-ignore cairn/no-host-access -- runs promises; reads nothing of the host
  const { internal } = Deno as unknown as { readonly internal?: symbol };
  if (internal === undefined) return undefined;
  // deno-lint-ignore cairn/no-host-access -- runs promises; reads nothing of the host
  const internals = (Deno as unknown as Record<symbol, DenoInternals | undefined>)[internal];
  return internals?.core?.runMicrotasks;
}
