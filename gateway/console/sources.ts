/**
 * The sources of the console. In a mesh they reach every host, by messages over its links; so the
 * console of each gateway shows the whole mesh.
 */
import type { Explanation } from "../../actors/scorer/protocol.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { SpanSeen } from "../../mesh/ports/tracing.ts";
import type { LoggedFeatureBatch, RowColumns } from "../../records/logged_features.ts";
import type { ActivitySeen } from "./activity.ts";
import type { Validation } from "./charts.ts";
import type { MetricFamily } from "./metric_reading.ts";

/** A process, as the configuration has it. */
export interface ConfiguredHost {
  /** Empty = the only process. */
  readonly host: string;
  readonly roles: readonly string[];
  readonly address: string | undefined;
}

/** The metrics of a process, or why it did not answer. */
export type HostReading =
  | { readonly host: string; readonly families: readonly MetricFamily[] }
  | { readonly host: string; readonly failure: string };

/** A span, with the node that recorded it. */
export interface NodeSpan extends SpanSeen {
  /** Empty = the only process. */
  readonly host: string;
  /** The thread, for example `serving` or `trainer-0`. */
  readonly node: string;
}

/** The activity of another gateway. */
export interface OtherActivity {
  readonly host: string;
  readonly activity: ActivitySeen;
}

export interface ConsoleSources {
  /** Name of this process; empty = the only one. */
  readonly host: string;
  readonly hosts: readonly ConfiguredHost[];
  /** The values of all metrics of each process now. No host delays the others. */
  metrics(): Promise<readonly HostReading[]>;
  /** The state of the coordination store; absent = shards stay where the configuration has them. */
  meshView?(): Promise<MeshView>;
  /** The links of this process with the other hosts. */
  links(): readonly {
    readonly host: string;
    readonly isLinked: boolean;
    readonly reason: string | undefined;
  }[];
  /** The recent spans of all hosts in these traces, and those that are linked to them. */
  spans(traceIds: readonly string[]): Promise<readonly NodeSpan[]>;
  /** The activities of the other gateways that answer. */
  otherActivities(): Promise<readonly OtherActivity[]>;
  readonly blobs: BlobStore;
  readonly eventLog: EventLog;
  /** Columns of the present schema: rows of another one are not explained. */
  readonly columns: RowColumns;
  readonly validation: Validation;
  /** The contributions of each slot to each row's score, by the present model. */
  explain(features: LoggedFeatureBatch): Promise<readonly Explanation[]>;
}
