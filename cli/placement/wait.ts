/**
 * Waiting until the hosts have carried a command out, as `--wait` and `--timeout` ask for.
 */
import { setTimeout as pause } from "node:timers/promises";
import { formatDuration } from "../../configuration/units.ts";
import { isAway } from "../../mesh/ports/away.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import type { MeshStore } from "./mesh_store.ts";

/** The typed options of a command that can wait. */
export interface WaitFlags {
  readonly wait?: true;
  /** Longest wait, ms; asks for one too. */
  readonly timeout?: number;
}

/** Pause between two looks at the store, ms; a change comes at once. */
const LOOK_MS = 1_000;

type LookedAt = Pick<MeshStore, "read" | "coordination">;

/** A wait of a command, whose longest time begins when it is made. */
export class Wait {
  readonly #store: LookedAt;
  readonly #timeoutMs: number;
  readonly #output: Output;
  readonly #beganMs = performance.now();

  private constructor(store: LookedAt, timeoutMs: number, output: Output) {
    this.#store = store;
    this.#timeoutMs = timeoutMs;
    this.#output = output;
  }

  /** Undefined where the command does not wait. */
  static of(
    store: LookedAt,
    { wait, timeout }: WaitFlags,
    output: Output,
  ): Wait | undefined {
    if (wait === undefined && timeout === undefined) return undefined;
    return new Wait(store, timeout ?? Infinity, output);
  }

  /**
   * Looks at the mesh, again with each change, until `isDone`. A store that does not answer is
   * waited for: the hosts go on when it does.
   *
   * @throws {CommandError} The time is over; the hosts go on.
   */
  async until(isDone: (view: MeshView) => boolean): Promise<void> {
    const { coordination, read } = this.#store;
    for (let wasAway = false;;) {
      try {
        const view = await read();
        wasAway = false;
        if (isDone(view)) return;
        await coordination.watch(view.revision, Math.min(LOOK_MS, this.#leftMs()));
      } catch (error) {
        if (!isAway(error)) throw error;
        if (!wasAway) this.#output.err(`${(error as Error).message} The command waits on.\n`);
        wasAway = true;
        await pause(Math.min(LOOK_MS, this.#leftMs()));
      }
    }
  }

  /** @throws {CommandError} There is none. */
  #leftMs(): number {
    const leftMs = this.#timeoutMs - (performance.now() - this.#beganMs);
    if (leftMs > 0) return leftMs;
    throw new CommandError(
      `It is not done within ${
        formatDuration(this.#timeoutMs)
      }. The hosts go on with it: see cairn status.`,
    );
  }
}
