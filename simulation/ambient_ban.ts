/**
 * Takes the machine away from a simulated run: clocks, timers, randomness, network and files throw
 * while the ban holds, and say which of them was used. One forgotten call would make a seed
 * unrepeatable without any sign of it.
 */

/** A property of a global object, and the advice for code that needs it. */
interface Ban {
  readonly owner: object;
  readonly name: string;
  /** As it is written in code: `Math.random`. */
  readonly path: string;
  readonly instead: string;
}

/** A banned API was used. */
export class AmbientAccessError extends Error {
  override readonly name = "AmbientAccessError";
  constructor(readonly api: string, instead: string) {
    super(
      `${api} was used in a simulated run, which would not repeat: ${instead}, or wait with ` +
        `world.sleep(ms) and draw from world.random(purpose) in a workload`,
    );
  }
}

const CLOCK = "read the time from the Clock port";
const RANDOM = "draw from the Random port";
const TIMER = "schedule through the Clock port or the actor's context";
const HOST = "reach the host through a port of mesh/ports/";

/**
 * Members of the `Deno` namespace that touch nothing outside the process. Its other functions and
 * getters are banned.
 */
const harmless: ReadonlySet<string> = new Set([
  "internal",
  "inspect",
  "errors",
  "version",
  "build",
  "noColor",
  "SeekMode",
  "test",
  "bench",
  "lint",
  "exit",
  "exitCode",
  "refTimer",
  "unrefTimer",
]);

function of(owner: object, prefix: string, names: readonly string[], instead: string): Ban[] {
  return names.filter((name) => name in owner)
    .map((name) => ({ owner, name, path: `${prefix}${name}`, instead }));
}

// deno-lint-ignore cairn/no-host-access -- named to ban it
const host: object = Deno;
// deno-lint-ignore cairn/no-ambient-clock -- named to ban it
const measurements: object = performance;

const bans: readonly Ban[] = [
  ...of(Date, "Date.", ["now"], CLOCK),
  ...of(measurements, "performance.", ["now", "mark", "measure"], CLOCK),
  ...of(Math, "Math.", ["random"], RANDOM),
  ...of(crypto, "crypto.", ["getRandomValues", "randomUUID", "subtle"], RANDOM),
  ...of(globalThis, "", ["setTimeout", "setInterval", "setImmediate"], TIMER),
  ...of(AbortSignal, "AbortSignal.", ["timeout"], TIMER),
  ...of(Atomics, "Atomics.", ["wait", "waitAsync"], TIMER),
  ...of(
    globalThis,
    "",
    ["fetch", "Worker", "WebSocket", "EventSource", "BroadcastChannel", "MessageChannel"],
    HOST,
  ),
  ...of(host, "Deno.", Object.keys(host).filter((name) => !harmless.has(name)), HOST),
];

/** A ban that holds. */
export interface AmbientBan extends Disposable {
  /** The first use of a banned API; undefined while there is none. */
  readonly violation: AmbientAccessError | undefined;
}

/**
 * Bans the machine until it is disposed of. Bans may overlap; the last one that ends gives the
 * machine back.
 */
export function banAmbient(): AmbientBan {
  let violation: AmbientAccessError | undefined;
  const note = (error: AmbientAccessError) => void (violation ??= error);
  if (listeners.size === 0) impose();
  listeners.add(note);
  return {
    get violation() {
      return violation;
    },
    [Symbol.dispose]() {
      if (listeners.delete(note) && listeners.size === 0) lift();
    },
  };
}

/** Runs a function that may use the machine, within a ban: one of the simulation itself. */
export function unbanned<T>(use: () => T): T {
  const holds = listeners.size > 0;
  if (holds) lift();
  try {
    return use();
  } finally {
    if (holds) impose();
  }
}

const listeners = new Set<(error: AmbientAccessError) => void>();
/** Undo the ban, in the order in which it was imposed. */
const undo: (() => void)[] = [];

function impose(): void {
  for (const ban of bans) {
    const before = Object.getOwnPropertyDescriptor(ban.owner, ban.name);
    Object.defineProperty(ban.owner, ban.name, { configurable: true, ...refusing(ban, before) });
    undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(ban.owner, ban.name);
      else Object.defineProperty(ban.owner, ban.name, before);
    });
  }
  const { Date: RealDate } = globalThis;
  globalThis.Date = dateWithoutNow(RealDate);
  undo.push(() => globalThis.Date = RealDate);
}

function lift(): void {
  for (const restore of undo.splice(0).reverse()) restore();
}

/** A function that throws when it is called, or a value that throws when it is read. */
function refusing({ owner, path, instead }: Ban, before?: PropertyDescriptor): PropertyDescriptor {
  const refuse = function () {
    throw noted(path, instead);
  };
  const isFunction = owner === globalThis || before === undefined ||
    typeof before.value === "function";
  return isFunction ? { value: refuse, writable: true } : { get: refuse };
}

/** Dates of given times stay; `new Date()` and `Date()` read the machine's clock. */
function dateWithoutNow(real: DateConstructor): DateConstructor {
  return new Proxy(real, {
    construct(target, args, newTarget) {
      if (args.length === 0) throw noted("new Date()", CLOCK);
      return Reflect.construct(target, args, newTarget);
    },
    apply() {
      throw noted("Date()", CLOCK);
    },
  });
}

function noted(path: string, instead: string): AmbientAccessError {
  const error = new AmbientAccessError(path, instead);
  for (const listener of listeners) listener(error);
  return error;
}
