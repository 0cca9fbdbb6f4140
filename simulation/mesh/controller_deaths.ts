/**
 * Deaths of the controller's host that wait for the freeze of a shard: no other moment of a move
 * leaves an owner waiting for a controller.
 */
import type { ControlRecord, Placement } from "../../mesh/ports/coordination.ts";
import { recordKeys } from "../../mesh/runtime/coordination/record_keys.ts";
import type { KillController } from "../plan/mesh_fault.ts";
import type { SimulatedRedis } from "./simulated_redis.ts";

export class ControllerDeaths {
  readonly #redis: Pick<SimulatedRedis, "transact">;
  readonly #die: (host: string, fault: KillController) => void;
  readonly #waiting: KillController[] = [];

  /** @param die The process of a host dies, and starts again after the fault's time. */
  constructor(
    redis: Pick<SimulatedRedis, "transact">,
    die: (host: string, fault: KillController) => void,
  ) {
    this.#redis = redis;
    this.#die = die;
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
    this.#redis.transact((view) => view.get(recordKeys.control) as ControlRecord | undefined)
      .then((control) => {
        if (control !== undefined) this.#die(control.holder.host, fault);
      });
  }

  /** Forgets the deaths that have waited. */
  clear(): void {
    this.#waiting.length = 0;
  }
}
