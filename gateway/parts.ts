/**
 * What a gateway is put together from. All of it comes from outside, so that tests give it doubles and a virtual
 * clock, and production the mesh.
 */
import type { RankerMessage } from "../actors/ranker/protocol.ts";
import type { TrainerMessage } from "../actors/trainer/protocol.ts";
import type { Clock } from "../mesh/ports/clock.ts";
import type { EventLog } from "../mesh/ports/event_log.ts";
import type { Attributes, ProfileKind, ProfileStore } from "../mesh/ports/profile_store.ts";
import type { Random } from "../mesh/ports/random.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import type { ActorRef } from "../mesh/runtime/actor.ts";
import type { KnownAttributes } from "./attributes/known_attributes.ts";
import type { GatewayMemory } from "./memory/gateway_memory.ts";
import type { GatewayOptions } from "./options.ts";

/** What the label rules make of actions, so that the gateway can say when nothing will be learned from one. */
export interface ActionLabels {
  /** Whether a rule matches the action. */
  decides(action: string, value: number | undefined): boolean;
  /** The actions that rules read. */
  readonly actions: readonly string[];
  /** An action that a rule matches, for the documentation. */
  readonly example: { readonly action: string; readonly value?: number };
}

export interface GatewayParts {
  readonly ranker: ActorRef<RankerMessage>;
  /** Asked by `/health/ready` whether they still learn; absent = nobody trains here. */
  readonly trainers?: readonly ActorRef<TrainerMessage>[];
  readonly eventLog: EventLog;
  /** Asked by `/health/ready` whether it takes examples; absent = nobody trains here. */
  readonly exampleLog?: EventLog;
  readonly profiles: ProfileStore;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: GatewayOptions;
  /** From {@link GatewayMemory.recall} where the event log is not new. */
  readonly memory: GatewayMemory;
  /**
   * Throws a `FeatureTypeError` for attributes that features cannot be made of, so that a wrong profile is refused
   * when it is written and not at every ranking. Absent = profiles are stored unseen.
   */
  readonly checkProfile?: (kind: ProfileKind, attributes: Attributes) => void;
  /** Absent = any attribute is taken without remark. */
  readonly attributes?: KnownAttributes;
  /** Absent = any action is taken without remark. */
  readonly labels?: ActionLabels;
  /** All metrics of the mesh in Prometheus' text format. */
  readonly metricsText: () => Promise<string>;
}
