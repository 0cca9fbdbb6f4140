/**
 * A scenario: the configuration, the clients and the faults of a family of runs. A module that
 * exports one as `scenario` can be given to `cairn simulate --scenario`.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { RandomStream } from "../../mesh/ports/random.ts";
import type { Fault, FaultFamily } from "../plan/fault.ts";
import type { Knob, Values } from "../plan/knobs.ts";
import type { CheckerFactory } from "../checkers/checker.ts";
import type { World } from "../world/world.ts";

/** A family of runs. */
export interface Scenario {
  readonly name: string;
  /** One sentence for `--help`. */
  readonly description: string;
  /** `cairn.yaml` as text. */
  readonly configuration: string;
  /** Keys whose values each seed draws. */
  readonly knobs: readonly Knob[];
  /** Values that every run has, by path; they win over knobs. */
  readonly values?: Values;
  /** Families of faults that are always on; undefined: a coin for each; empty: none. */
  readonly families?: readonly FaultFamily[];
  /** Faults besides those of the families. */
  faults?(random: RandomStream, configuration: CairnConfiguration, forMs: number): readonly Fault[];
  /** Asks that may wait at a shard of each priority; undefined leaves it to the seed. */
  readonly shardMailboxMax?: number;
  /** Clients at work. */
  readonly clients: number;
  /** The work of one client until `world.running` is false. */
  workload(world: World, client: string): Promise<void>;
  /** Work that is pending after healing, besides the mesh's own; undefined when there is none. */
  pending?(world: World): Promise<string | undefined>;
  /** Checkers besides those of every run. */
  readonly checkers?: readonly CheckerFactory[];
  /** Clients work this long, ms of virtual time. */
  readonly forMs: number;
  /** After healing, everything must have come through within this long, ms. */
  readonly healMs: number;
}
