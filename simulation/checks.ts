/**
 * Promises of one's own: `always`, `eventually` and `sometimes`, as Antithesis names them.
 */
import type { Address, Message } from "../mesh/runtime/actor.ts";
import type { Checker, CheckerFactory } from "./checkers/checker.ts";
import type { World } from "./world/world.ts";

/** An actor handles a message, or answers one. */
export interface ActorEvent {
  readonly actor: Address;
  readonly message: Message;
  /** The answer; undefined while the message is only handled. */
  readonly answer?: unknown;
}

/** A promise of one's own. */
export type Check =
  | {
    readonly kind: "always";
    readonly name: string;
    readonly broken: (event: ActorEvent) => string | undefined;
  }
  | {
    readonly kind: "eventually";
    readonly name: string;
    readonly pending: (world: World) => Promise<string | undefined> | string | undefined;
  }
  | {
    readonly kind: "sometimes";
    readonly name: string;
    readonly seen: (event: ActorEvent) => boolean;
  };

/**
 * A promise that holds at every event.
 *
 * @param broken Says in words how the event breaks it; undefined where it does not. Make the state
 * that it keeps in a factory: `() => always(…)` is called for each run.
 */
export function always(name: string, broken: (event: ActorEvent) => string | undefined): Check {
  return { kind: "always", name, broken };
}

/**
 * A promise that holds some time after the world has healed.
 *
 * @param pending Describes the outstanding work; undefined when the condition holds.
 */
export function eventually(
  name: string,
  pending: (world: World) => Promise<string | undefined> | string | undefined,
): Check {
  return { kind: "eventually", name, pending };
}

/** A rare event that some run should reach; a test can see which were missed. */
export function sometimes(name: string, seen: (event: ActorEvent) => boolean): Check {
  return { kind: "sometimes", name, seen };
}

/** The checks as a checker of one run. @param reached Called with the name of a `sometimes`. */
export function checkerOf(
  checks: readonly Check[],
  reached: (name: string) => void,
): CheckerFactory {
  return (context) => {
    const look = (event: ActorEvent) => {
      for (const check of checks) {
        if (check.kind === "always") {
          const broken = check.broken(event);
          if (broken !== undefined) context.fail(`${check.name}: ${broken}`);
        } else if (check.kind === "sometimes" && check.seen(event)) reached(check.name);
      }
    };
    return {
      name: "checks",
      handles: (actor, message) => look({ actor, message }),
      answers: (actor, message, answer) => look({ actor, message, answer }),
    } satisfies Checker;
  };
}

/** The first pending `eventually`, in words. */
export async function pendingOf(
  checks: readonly Check[],
  world: World,
): Promise<string | undefined> {
  for (const check of checks) {
    if (check.kind !== "eventually") continue;
    const pending = await check.pending(world);
    if (pending !== undefined) return `${check.name}: ${pending}`;
  }
  return undefined;
}
