/**
 * Runs one simulated world from a seed: warm up, let clients work while the plan's faults strike,
 * heal, wait until everything has come through, and check the end.
 */
import { banAmbient } from "./ambient_ban.ts";
import { watchUnhandledErrors } from "./unhandled_errors.ts";
import type { Fault } from "./plan/fault.ts";
import type { World } from "./world/world.ts";

/** All that decides the course of a run in a world of kind `W`. */
export interface RunOptions<W extends World> {
  /** Makes the world, with its checkers. */
  readonly create: () => W;
  readonly faults: readonly Fault[];
  /** Names of the clients; each runs `workload`. */
  readonly clients: readonly string[];
  /** The work of one client; it ends once `world.running` is false. */
  readonly workload: (world: W, client: string) => Promise<void>;
  /** Clients work this long, ms of virtual time. */
  readonly forMs: number;
  /** After healing, everything must have come through within this long, ms. */
  readonly healMs: number;
  /** The work that is pending after healing; undefined when there is none. */
  readonly pending: (world: W) => Promise<string | undefined>;
}

/** How a run ended. */
export interface RunOutcome {
  readonly kind: "passed" | "correctness" | "liveness" | "crash" | "nondeterminism";
  /** The checker that failed, `liveness`, `crash`, or `determinism`. */
  readonly checker?: string;
  readonly message?: string;
  readonly atMs: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly traceHash: string;
  readonly checkpoints: readonly string[];
  readonly world: World;
}

/** Virtual time until the first process must be ready, ms. */
const WARM_UP_MS = 60_000;
/** Virtual time between two looks at the pending work, ms. */
const POLL_MS = 250;

/** Runs one world, without the machine's clock, timers, randomness, network and files. */
export async function runWorld<W extends World>(options: RunOptions<W>): Promise<RunOutcome> {
  using ban = banAmbient();
  using unhandled = watchUnhandledErrors();
  const world = options.create();
  const outcome = (end: Pick<RunOutcome, "kind" | "checker" | "message">): RunOutcome => ({
    ...end,
    atMs: world.violation?.atMs ?? world.clock.monotonicMs(),
    events: world.trace.hash.events,
    virtualMs: world.clock.monotonicMs(),
    traceHash: world.trace.hash.digest(),
    checkpoints: world.trace.hash.checkpoints,
    world,
  });
  const violated = () => {
    if (ban.violation !== undefined) {
      const message = ban.violation.stack ?? ban.violation.message;
      return outcome({ kind: "nondeterminism", checker: "determinism", message });
    }
    const { violation } = world;
    if (violation !== undefined) {
      const { checker, message } = violation;
      return outcome({ kind: "correctness", checker, message });
    }
    if (unhandled.first === undefined) return undefined;
    const message = `no code handles ${unhandled.first.stack ?? unhandled.first.message}`;
    return outcome({ kind: "correctness", checker: "handled-errors", message });
  };
  try {
    world.start();
    world.plan(options.faults);
    let clientError: unknown;
    for (const client of options.clients) {
      options.workload(world, client).catch((error) => clientError ??= error);
    }
    const fails = () =>
      clientError !== undefined || ban.violation !== undefined || unhandled.first !== undefined;
    await advance(world, options.forMs, fails);
    if (clientError !== undefined) throw clientError;
    const early = violated();
    if (early !== undefined) return early;
    world.heal();
    let pending: string | undefined = "nothing was looked at yet";
    const endsMs = world.clock.monotonicMs() + options.healMs;
    while (pending !== undefined && world.clock.monotonicMs() < endsMs) {
      await advance(world, POLL_MS, fails);
      const broken = violated();
      if (broken !== undefined) return broken;
      pending = await settled(world, options.pending(world));
    }
    if (pending !== undefined) {
      return outcome({ kind: "liveness", checker: "liveness", message: pending });
    }
    await settled(world, world.checkEnd());
    await unhandled.reported();
    return violated() ?? outcome({ kind: "passed" });
  } catch (error) {
    const message = error instanceof Error ? error.stack ?? error.message : String(error);
    return violated() ?? outcome({ kind: "crash", checker: "crash", message });
  } finally {
    world.kill();
  }
}

/** Lets time pass; a violation ends it early. */
async function advance(
  world: World,
  ms: number,
  ends: () => boolean = () => false,
): Promise<void> {
  const untilMs = world.clock.monotonicMs() + ms;
  await world.clock.advanceUntil(
    () => world.violation !== undefined || ends() || world.clock.monotonicMs() >= untilMs,
    ms + 1,
  );
}

function settled<T>(world: World, promise: Promise<T>): Promise<T> {
  return world.clock.settle(promise, WARM_UP_MS);
}
