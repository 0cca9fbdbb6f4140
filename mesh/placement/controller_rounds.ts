/**
 * Runs the controller on a host: takes or keeps its lease, reads the mesh's state, and makes the
 * steps that the controller decides. Every host runs it; at any moment one of them holds the lease.
 */
import type { Coordination, HostRun } from "../ports/coordination.ts";
import {
  PlacementConflictError,
  PlanConflictError,
  StaleControllerError,
} from "../ports/coordination_errors.ts";
import { RecordsLostError, RecordStoreUnavailableError } from "../ports/record_store.ts";
import { Controller, type ControllerOptions } from "./controller.ts";
import type { ControllerStep } from "./controller_steps.ts";

/** The outcome of a round. */
export type ControllerRound =
  /** Another host is the controller, for `leftMs` unless it prolongs its lease. */
  | { readonly kind: "standby"; readonly leftMs: number }
  | {
    readonly kind: "controls";
    readonly epoch: number;
    readonly made: readonly ControllerStep[];
    /** Whether something moves or is restored: such steps have limited times. */
    readonly moves: boolean;
  }
  /** The store does not answer: nothing moves. */
  | { readonly kind: "away"; readonly error: Error }
  /** The store went back to an older state: nothing moves until an operator decides. */
  | { readonly kind: "lost"; readonly error: RecordsLostError };

export class ControllerRounds {
  readonly #coordination: Coordination;
  readonly #run: HostRun;
  readonly #options: ControllerOptions;
  #controller: Controller;
  /** Epoch of the lease that {@link #controller} decides under. */
  #epoch: number | undefined;

  constructor(coordination: Coordination, run: HostRun, options: ControllerOptions) {
    this.#coordination = coordination;
    this.#run = run;
    this.#options = options;
    this.#controller = new Controller(options);
  }

  /**
   * @throws {HostGoneError} This host was removed: the process must stop.
   */
  async round(): Promise<ControllerRound> {
    try {
      const turn = await this.#coordination.acquireControl(this.#run);
      if (turn.kind === "standby") {
        this.#epoch = undefined;
        return turn;
      }
      const { control } = turn;
      if (control.epoch !== this.#epoch) {
        this.#epoch = control.epoch;
        this.#controller = new Controller(this.#options);
      }
      const view = await this.#coordination.read();
      const steps = this.#controller.observe(view);
      const made: ControllerStep[] = [];
      for (const step of steps) {
        if (await this.#make(step, control.epoch)) made.push(step);
      }
      const moves = steps.length > 0 ||
        [...view.placements.values()].some(({ state }) => state !== "active");
      return { kind: "controls", epoch: control.epoch, made, moves };
    } catch (error) {
      if (error instanceof StaleControllerError) {
        this.#epoch = undefined;
        return { kind: "standby", leftMs: 0 };
      }
      if (error instanceof RecordsLostError) return { kind: "lost", error };
      if (!(error instanceof RecordStoreUnavailableError)) throw error;
      this.#controller.lostContact();
      return { kind: "away", error };
    }
  }

  /** Whether the step was made; false where the state has changed since it was decided. */
  async #make(step: ControllerStep, controllerEpoch: number): Promise<boolean> {
    try {
      switch (step.kind) {
        case "removeHost":
          return await this.#coordination.removeExpired(controllerEpoch, step.run);
        case "place": {
          const { changes, rewind } = step;
          await this.#coordination.place({ by: { controllerEpoch }, changes, rewind });
          return true;
        }
        case "writePlan":
          await this.#coordination.writePlan({ edition: step.edition }, step.document);
          return true;
      }
    } catch (error) {
      if (error instanceof PlacementConflictError || error instanceof PlanConflictError) {
        return false;
      }
      throw error;
    }
  }
}
