/**
 * The scorer's configuration, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";
import type { RowLayout } from "../../kernels/embedding/row_classes.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";

/** Its replicas, its bounds, and the shapes of features and model. */
export interface ScorerOptions {
  /** Number of the division of ids among `replicas`. */
  readonly sharding: number;
  /** Replicas by shard. The scorer uses one per shard and changes to the next when it fails. */
  readonly replicas: readonly (readonly Address[])[];
  /**
   * Parameter sync and the row feed of this host, told of each start; without that, they notice it
   * within a second.
   */
  readonly parameterSync?: Address;
  readonly rowFeed?: Address;
  /** Budget of a lookup, ms; half of the request's remaining budget if that is less. */
  readonly lookupBudgetMs: number;
  /** Bound of the rows of a forward pass that waiting requests share. */
  readonly batchRowsMax: number;
  /** Bound of the requests that wait for a pass; more are answered "overloaded". */
  readonly requestsWaitingMax: number;
  /** Bound of the requests that wait for an explanation; more are answered "overloaded". */
  readonly explanationsWaitingMax: number;
  readonly schema: FeatureSchema;
  /** Weight of each task's prediction in the score, `[tasks]`; at least one is not 0. */
  readonly scoreWeights: readonly number[];
  /** Layout of the replicas' rows; the model's sparse inputs are matched by name. */
  readonly layout: RowLayout;
}
