/**
 * Runs the controller on a host: takes or keeps its lease, reads the mesh's state, and makes the
 * steps that the controller decides. Every host runs it; at any moment one of them holds the lease.
 *
 * The lease is prolonged when half of it has passed, not in each round: a round may end the freeze
 * of a shard, and a renewal is a sync of the store's disk. Each step names the epoch of the lease,
 * so a host that has lost it unnoticed changes nothing.
 */
import type { ControllerTerm, Coordination, HostRun, MeshView } from "../ports/coordination.ts";
import {
  OvertakenPlacementError,
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

/** Share of the lease's length that must be left for a round without a renewal. */
const LEFT_SHARE_MIN = 1 / 2;

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
      const held = await this.#viewWhileHeld();
      if (held !== undefined) return await this.#control(held.view, held.epoch);
      const turn = await this.#coordination.acquireControl(this.#run);
      if (turn.kind === "standby") {
        this.#epoch = undefined;
        return turn;
      }
      const { epoch } = turn.control;
      if (epoch !== this.#epoch) {
        this.#epoch = epoch;
        this.#controller = new Controller(this.#options);
      }
      return await this.#control(await this.#coordination.read(), epoch);
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

  /** The mesh's state, where this run holds the lease for long enough; undefined where not. */
  async #viewWhileHeld(): Promise<{ view: MeshView; epoch: number } | undefined> {
    const epoch = this.#epoch;
    if (epoch === undefined) return undefined;
    const view = await this.#coordination.read();
    // A run that was removed or replaced is told by the renewal.
    const isHost = view.hosts.get(this.#run.host)?.incarnation === this.#run.incarnation;
    if (!isHost || view.control?.epoch !== epoch) return undefined;
    const leftShare = (view.control.expiresMs - view.nowMs) / this.#options.patienceMs;
    // More than a whole lease is left where the store's clock was set back: were this host to die,
    // no other one could control the mesh for as long.
    return leftShare < LEFT_SHARE_MIN || leftShare > 1 ? undefined : { view, epoch };
  }

  async #control(view: MeshView, epoch: number): Promise<ControllerRound> {
    const steps = this.#controller.observe(view);
    const made: ControllerStep[] = [];
    const term = { controllerEpoch: epoch, planEdition: view.plan?.edition ?? 0 };
    for (const step of steps) {
      if (await this.#make(step, term)) made.push(step);
    }
    const moves = steps.length > 0 ||
      [...view.placements.values()].some(({ state }) => state !== "active");
    return { kind: "controls", epoch, made, moves };
  }

  /** Whether the step was made; false where the state has changed since it was decided. */
  async #make(step: ControllerStep, by: ControllerTerm): Promise<boolean> {
    const { controllerEpoch } = by;
    try {
      switch (step.kind) {
        case "removeHost":
          return await this.#coordination.removeExpired(controllerEpoch, step.run);
        case "place": {
          const { changes, rewind } = step;
          await this.#coordination.place({ by, changes, rewind });
          return true;
        }
        case "endReshard":
          await this.#coordination.endReshard(controllerEpoch, step.change);
          return true;
        case "writePlan":
          await this.#coordination.writePlan(
            { edition: step.edition, controllerEpoch },
            step.document,
          );
          return true;
      }
    } catch (error) {
      const isOvertaken = error instanceof PlacementConflictError ||
        error instanceof OvertakenPlacementError || error instanceof PlanConflictError;
      if (isOvertaken) return false;
      throw error;
    }
  }
}
