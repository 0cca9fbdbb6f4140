/**
 * Deaths of the controller's host that wait for the freeze of a shard. The target of the move is
 * cut off from the store meanwhile: so the owner must end the freeze, and the target comes late.
 */
import type { ControlRecord, Placement } from "../../mesh/ports/coordination.ts";
import { recordKeys } from "../../mesh/runtime/coordination/record_keys.ts";
import type { KillController } from "../plan/mesh_fault.ts";
import type { SimulatedRedis } from "./simulated_redis.ts";

/** The parts of a fault, for its time. */
export interface FreezeFaults {
  /** The process of the host dies, and starts again. */
  die(host: string, fault: KillController): void;
  /** The host does not reach the store. */
  cutOff(host: string, fault: KillController): void;
}

export class ControllerDeaths {
  readonly #redis: Pick<SimulatedRedis, "transact">;
  readonly #effects: FreezeFaults;
  readonly #waiting: KillController[] = [];

  constructor(redis: Pick<SimulatedRedis, "transact">, effects: FreezeFaults) {
    this.#redis = redis;
    this.#effects = effects;
  }

  /** Waits for the next freeze. */
  add(fault: KillController): void {
    this.#waiting.push(fault);
  }

  /** A placement has changed at the store. */
  placed(after: Placement): void {
    if (after.state !== "moving" || after.phase !== "frozen") return;
    const fault = this.#waiting.shift();
    if (fault === undefined) return;
    this.#effects.cutOff(after.target.host, fault);
    this.#redis.transact((view) => view.get(recordKeys.control) as ControlRecord | undefined)
      .then((control) => {
        if (control !== undefined) this.#effects.die(control.holder.host, fault);
      });
  }

  /** Forgets the deaths that have waited. */
  clear(): void {
    this.#waiting.length = 0;
  }
}
