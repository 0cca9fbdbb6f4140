/**
 * Deaths of the controller's host that wait for the freeze of a shard. The target of the move is
 * cut off from the store meanwhile: so the owner must end the freeze, and the target comes late.
 * Both are faults of their own, so that the checkers know which hosts they strike, and when.
 */
import type { ControlRecord, Placement } from "../../mesh/ports/coordination.ts";
import { recordKeys } from "../../mesh/runtime/coordination/record_keys.ts";
import type { CutRedis, KillController, KillHost } from "../plan/mesh_fault.ts";
import type { SimulatedRedis } from "./simulated_redis.ts";

export interface ControllerDeathsParts {
  readonly redis: Pick<SimulatedRedis, "transact">;
  /** Virtual time, ms. */
  readonly nowMs: () => number;
  /** Makes a fault happen now. */
  readonly begin: (fault: KillHost | CutRedis) => void;
}

export class ControllerDeaths {
  readonly #parts: ControllerDeathsParts;
  readonly #waiting: KillController[] = [];

  constructor(parts: ControllerDeathsParts) {
    this.#parts = parts;
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
    const { redis, nowMs, begin } = this.#parts;
    const { power, downMs } = fault;
    begin({ kind: "cutRedis", atMs: nowMs(), host: after.target.host, forMs: downMs });
    redis.transact((view) => view.get(recordKeys.control) as ControlRecord | undefined)
      .then((control) => {
        if (control === undefined) return;
        begin({ kind: "killHost", atMs: nowMs(), host: control.holder.host, power, downMs });
      });
  }

  /** Forgets the deaths that have waited. */
  clear(): void {
    this.#waiting.length = 0;
  }
}
