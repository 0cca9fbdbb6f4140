/**
 * The parts of a server that an erasure goes through, as the gateway sees them.
 */
import type { FeatureKeeperMessage } from "../../actors/feature_keeper/protocol.ts";
import type { RowFeedMessage } from "../../actors/row_feed/protocol.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { PartitionCounts } from "../../mesh/ports/partitioning.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import type { Random } from "../../mesh/ports/random.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type { Activity } from "../console/activity.ts";
import type { GatewayMemory } from "../memory/gateway_memory.ts";
import type { GatewayOptions } from "../options.ts";

export interface ErasureParts {
  readonly eventLog: EventLog;
  readonly exampleLog: EventLog;
  readonly blobs: BlobStore;
  readonly profiles: ProfileStore;
  readonly memory: GatewayMemory;
  /** Absent where there is no console. */
  readonly activity?: Activity;
  /** Has the other gateways that answer forget a user; absent where one process is all. */
  readonly forgetElsewhere?: (user: string) => Promise<void>;
  /** The partitionings of the logs, oldest first, which grow while the gateway runs. */
  readonly partitionings: () => readonly PartitionCounts[];
  readonly keepers: readonly ActorRef<FeatureKeeperMessage>[];
  /**
   * The feeds on the serving hosts that are in the mesh now, by host. A host that is not has no
   * rows: it ends as soon as it hears of that, and fills its replicas anew when it starts.
   */
  readonly rowFeeds: () => Promise<ReadonlyMap<string, ActorRef<RowFeedMessage>>>;
  /**
   * The serving hosts in the mesh that may have replicas of an earlier sharding, to which no feed
   * carries removals; absent where shards do not change in number.
   */
  readonly withEarlierReplicas?: () => Promise<readonly string[]>;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly options: Pick<GatewayOptions, "erasure" | "deadlineMs">;
  /** This host; absent where one process is all. */
  readonly host?: string;
  /** Hosts of the mesh that serve now; absent where only one can serve. */
  readonly hostsServing?: () => Promise<readonly string[]>;
}
