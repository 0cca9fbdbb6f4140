/**
 * The parts of a gateway. All of them come from outside: tests pass doubles and a virtual clock,
 * production passes the mesh.
 */
import type { EmbeddingShardMessage } from "../actors/embedding_shard/protocol.ts";
import type { JoinerMessage } from "../actors/joiner/protocol.ts";
import type { RankerMessage } from "../actors/ranker/protocol.ts";
import type { ServingReplicaMessage } from "../actors/serving_replica/protocol.ts";
import type { TrainerMessage } from "../actors/trainer/protocol.ts";
import type { Clock } from "../mesh/ports/clock.ts";
import type { EventLog } from "../mesh/ports/event_log.ts";
import type { Attributes, ProfileKind, ProfileStore } from "../mesh/ports/profile_store.ts";
import type { Random } from "../mesh/ports/random.ts";
import type { HostSnapshotFailure } from "../mesh/ports/snapshot_failure.ts";
import type {
  RankingLookup,
  RankingsUnreadError,
  SharedRankings,
} from "../mesh/ports/shared_rankings.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import type { Tracing } from "../mesh/ports/tracing.ts";
import type { ActorRef } from "../mesh/runtime/actor.ts";
import type { MarkWriter } from "./mark_writer.ts";
import type { KnownAttributes } from "./attributes/known_attributes.ts";
import type { Console } from "./console/console.ts";
import type { Erasures } from "./erasure/erasures.ts";
import type { GatewayMemory } from "./memory/gateway_memory.ts";
import type { StoredItems } from "./memory/stored_items.ts";
import type { UserEvent, UserRanking } from "./memory/user_rankings.ts";
import type { GatewayOptions } from "./options.ts";

/** How the label rules read actions, so that an answer can say when nothing will be learned. */
export interface ActionLabels {
  /** Whether a rule matches the action. */
  decides(action: string, value: number | undefined): boolean;
  /** Whether a rule gives the action a label other than negative. */
  isPositive(action: string, value: number | undefined): boolean;
  /**
   * Time after a ranking in which the action is learned from, ms: until the window closes, or as
   * long as a positive label may be late.
   */
  learnedWithinMs(action: string, value: number | undefined): number;
  /** Whether a kept feature counts the action. Absent = no feature is kept. */
  isKept?(action: string, value: number | undefined): boolean;
  /** The actions that rules read. */
  readonly actions: readonly string[];
  /** An action that a rule matches, for the documentation. */
  readonly example: { readonly action: string; readonly value?: number };
}

/** Finds rankings that other gateways have answered. */
export interface OtherRankings {
  /**
   * Rankings that showed the items of events to their users, less than `withinMs` before them. Has
   * those of the gateways that answer soon, at the latest in half of the budget: the events are
   * appended in the rest.
   *
   * @param budgetMs Time that the events have until their answer.
   * @returns For each event the newest of each gateway, newest first.
   */
  findRankings(
    events: readonly UserEvent[],
    withinMs: number,
    budgetMs: number,
  ): Promise<readonly (readonly UserRanking[])[]>;
  /**
   * The rankings that events name, as the gateways remember them which answer as soon.
   *
   * @param budgetMs As above.
   * @returns For each event; unknown where none of them remembers the ranking, and an error where
   * none does by now, and one that may is late or overloaded.
   */
  checkRankings(
    events: readonly NamedRanking[],
    budgetMs: number,
  ): Promise<readonly (RememberedRanking | RankingsUnreadError)[]>;
}

/** The ranking and the item of an event, or of a report of shown items. */
export interface NamedRanking {
  readonly rankingId: string;
  readonly item: string;
}

/** A ranking of an event as a gateway remembers it. */
export interface RememberedRanking {
  readonly lookup: RankingLookup;
  /**
   * Whether the event log did not take it in time, or may have lost it while its gateway does not
   * reach the log.
   */
  readonly isUnlogged: boolean;
}

export interface GatewayParts {
  readonly ranker: ActorRef<RankerMessage>;
  /** `/health/ready` asks them whether they still learn; absent = this mesh does not train. */
  readonly trainers?: () => readonly ActorRef<TrainerMessage>[];
  readonly eventLog: EventLog;
  /** `/health/ready` asks whether it takes examples; absent = this mesh does not train. */
  readonly exampleLog?: EventLog;
  /** `/health/ready` asks whether they have a warning; absent = this mesh does not train. */
  readonly joiners?: () => readonly ActorRef<JoinerMessage>[];
  /** `/health/ready` asks whether they left rows out; absent = it does not ask. */
  readonly replicas?: () => readonly ActorRef<ServingReplicaMessage>[];
  /** `/health/ready` asks whether they still load rows; absent = it does not ask. */
  readonly shards?: () => readonly ActorRef<EmbeddingShardMessage>[];
  /** Parts that crash again and again, for `/health/ready`, with the newest reason of each. */
  readonly failingParts?: () => readonly { readonly part: string; readonly reason: string }[];
  /** The parts that cannot be placed on their hosts, with the reasons. Default: none. */
  readonly unplacedParts?: () => readonly {
    readonly part: string;
    /** Undefined where it has none. */
    readonly host?: string;
    readonly reason: string;
  }[];
  /** The warning that this host cannot renew its lease; undefined where it can, or needs none. */
  readonly leaseEnd?: () => string | undefined;
  /** The failures of the last attempts to take a snapshot. Default: none. */
  readonly snapshotFailures?: () => readonly HostSnapshotFailure[];
  /** The other hosts of a mesh of several processes, for `/health/ready`; absent = one process. */
  readonly links?: () => readonly {
    readonly host: string;
    readonly isLinked: boolean;
    /** Whether it is linked or was since the start. */
    readonly wasLinked: boolean;
    readonly reason: string | undefined;
  }[];
  /** A warning of each host of the mesh that this host's file does not list. Absent = none. */
  readonly unlistedHosts?: () => readonly string[];
  /**
   * Names of the hosts that have joined the mesh and not left it, where others take the parts of a
   * lost one. Absent = the file has the hosts, and no part moves.
   */
  readonly joinedHosts?: () => readonly string[];
  readonly profiles: ProfileStore;
  /** Makes stored items known as negatives. Absent = only items of events are. */
  readonly storedItems?: Pick<StoredItems, "begin">;
  /** Erases users. Absent = this server cannot: it does not train. */
  readonly erasures?: Erasures;
  /** Rankings of all gateways; absent = this gateway is the only one. */
  readonly sharedRankings?: SharedRankings;
  /** Absent where one process is all; a mesh may have none at the moment. */
  readonly otherGateways?: OtherRankings;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: Random;
  /** Takes the spans of requests. Absent = they are not recorded. */
  readonly tracing?: Tracing;
  readonly options: GatewayOptions;
  /** Writes marks to partitions without events. Absent = the event log has one partition. */
  readonly markWriter?: MarkWriter;
  /** From {@link GatewayMemory.recall} where the event log is not new. */
  readonly memory: GatewayMemory;
  /**
   * Throws a `FeatureTypeError` for attributes of which no features can be made, so that a wrong
   * profile is refused when it is written and not at every ranking. Absent = no check.
   */
  readonly checkProfile?: (kind: ProfileKind, attributes: Attributes) => void;
  /** The attributes that features read. Absent = answers have no notes on unread attributes. */
  readonly attributes?: KnownAttributes;
  /** Absent = answers have no notes on actions that no label rule reads. */
  readonly labels?: ActionLabels;
  /** Absent = this server has no console. */
  readonly console?: Console;
  /** All metrics of the mesh in Prometheus' text format. */
  readonly metricsText: () => Promise<string>;
}
