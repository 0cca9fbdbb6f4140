/**
 * Waiting until the hosts have carried a command out, as `--wait` and `--timeout` ask for.
 */
import { formatDuration } from "../../configuration/units.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
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

/** A wait of a command, whose longest time begins when it is made. */
export class Wait {
  readonly #store: MeshStore;
  readonly #timeoutMs: number;
  readonly #beganMs = performance.now();

  private constructor(store: MeshStore, timeoutMs: number) {
    this.#store = store;
    this.#timeoutMs = timeoutMs;
  }

  /** Undefined where the command does not wait. */
  static of(store: MeshStore, { wait, timeout }: WaitFlags): Wait | undefined {
    if (wait === undefined && timeout === undefined) return undefined;
    return new Wait(store, timeout ?? Infinity);
  }

  /**
   * Looks at the mesh, again with each change, until `isDone`.
   *
   * @throws {CommandError} The time is over; the hosts go on.
   */
  async until(isDone: (view: MeshView) => boolean): Promise<void> {
    const { coordination, read } = this.#store;
    for (;;) {
      const view = await read();
      if (isDone(view)) return;
      const leftMs = this.#timeoutMs - (performance.now() - this.#beganMs);
      if (leftMs <= 0) {
        throw new CommandError(
          `It is not done within ${
            formatDuration(this.#timeoutMs)
          }. The hosts go on with it: see ` +
            "cairn status.",
        );
      }
      await coordination.watch(view.revision, Math.min(LOOK_MS, leftMs));
    }
  }
}
