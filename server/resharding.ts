/**
 * Carries out a change of the number of shards, trainers or partitions that an operator has asked
 * for, on the host of the first trainer: takes a snapshot, and begins the new division from it.
 *
 * A change with an override begins without a snapshot, of which some trainer gives no part.
 *
 * The trainers learn until the store names the new division; the new ones go on at the snapshot.
 * The time until they do is measured.
 */
import type { Coordination, HostRun, MeshView } from "../mesh/ports/coordination.ts";
import { changeWords, type ReshardRecord } from "../mesh/ports/resharding.ts";
import type { Clock } from "../mesh/ports/clock.ts";
import type { Gauge, Telemetry } from "../mesh/ports/telemetry.ts";
import { restoringIn } from "../mesh/ports/reshard_progress.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";

export interface ReshardingOptions {
  readonly coordination: Coordination;
  readonly run: HostRun;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Resolves when all learned until now is in a snapshot. */
  readonly takeSnapshot: () => Promise<void>;
}

/** Pause after an attempt that failed, ms. */
const RETRY_MS = 2_000;

export class Resharding {
  readonly #options: ReshardingOptions;
  readonly #pause: Gauge;
  #task: Promise<void> | undefined;
  #retryAtMs = -Infinity;
  #logged = "";
  /** Resolved, with the reason, when the operator overrides the snapshot that is being taken. */
  #overridden = Promise.withResolvers<string>();
  /** The change that was begun here, and when; until its trainers learn. */
  #begun: { readonly change: ReshardRecord; readonly atMs: number } | undefined;

  constructor(options: ReshardingOptions) {
    this.#options = options;
    this.#pause = options.telemetry.gauge("cairn_reshard_pause_ms", {
      help:
        "Time for which training stood still at the last change of the number of shards, trainers or partitions, ms.",
    });
  }

  /**
   * Begins the next step.
   *
   * @param leads Whether the first trainer is here. It may go elsewhere in the step that is made.
   */
  follow(view: MeshView, leads: boolean): void {
    this.#measure(view);
    const { reshard } = view;
    if (!leads || reshard?.state !== "asked") return;
    if (reshard.override !== undefined) this.#overridden.resolve(reshard.override);
    if (this.#task !== undefined) return;
    if (this.#options.clock.monotonicMs() < this.#retryAtMs) return;
    this.#task = this.#begin(reshard).then(() => void (this.#logged = ""), (error) => {
      this.#retryAtMs = this.#options.clock.monotonicMs() + RETRY_MS;
      this.#log(reasonOf(error), reshard);
    }).finally(() => this.#task = undefined);
  }

  async #begin(asked: ReshardRecord): Promise<void> {
    const { coordination, run, clock, telemetry } = this.#options;
    const hasSnapshot = await this.#takeSnapshot(asked);
    // The operator may have cancelled the change meanwhile, and asked for another one.
    const { reshard: change } = await coordination.read();
    if (change?.state !== "asked") return;
    if (!hasSnapshot && change.override === undefined) return; // the next look takes one
    const atMs = clock.monotonicMs();
    await coordination.beginReshard(run, change);
    this.#begun = { change, atMs };
    telemetry.log("info", `the mesh goes ${changeWords(change)}`, { division: change.division });
  }

  /** Resolves when there is a snapshot, or false where the operator does without. */
  async #takeSnapshot({ override }: ReshardRecord): Promise<boolean> {
    const { telemetry, takeSnapshot } = this.#options;
    let reason = override;
    if (reason === undefined) {
      this.#overridden = Promise.withResolvers();
      const taken = takeSnapshot().then(() => undefined);
      taken.catch(() => {}); // it may fail after the override
      reason = await Promise.race([taken, this.#overridden.promise]);
    }
    if (reason === undefined) return true;
    telemetry.log("warn", "a change begins without a snapshot, as the operator asks", { reason });
    return false;
  }

  /** Reports the pause of training once all shards and trainers of the new division are there. */
  #measure(view: MeshView): void {
    const begun = this.#begun;
    if (begun === undefined) return;
    const { parts, division } = begun.change;
    const { sharding, dealing } = view.identity;
    if ((parts === "shards" ? sharding : dealing) !== division) return;
    const { shards, trainers, joiners } = restoringIn(view);
    if (shards + trainers + (parts === "partitions" ? joiners : 0) > 0) return;
    this.#begun = undefined;
    const pauseMs = Math.round(this.#options.clock.monotonicMs() - begun.atMs);
    this.#pause.set(pauseMs);
    this.#options.telemetry.log("info", `training goes on with the new ${parts}`, { pauseMs });
  }

  #log(reason: string, change: ReshardRecord): void {
    if (reason === this.#logged) return;
    this.#logged = reason;
    this.#options.telemetry.log(
      "warn",
      `the change ${changeWords(change)} has not begun; it is tried again while it is asked for`,
      { reason },
    );
  }
}
