/**
 * Checks between values: names that must exist elsewhere, numbers that must fit together, and
 * limits of the machine. Each check sees only sections that are valid by themselves.
 */
import { memory, queues } from "./checks/capacity_checks.ts";
import type { Check, HostLimits, Sections } from "./checks/check.ts";
import { embeddingNames } from "./checks/embedding_checks.ts";
import { crosses, slots } from "./checks/feature_checks.ts";
import {
  hostAddresses,
  hostRoles,
  hostStorage,
  leaseTime,
  linkTimes,
} from "./checks/mesh_checks.ts";
import { attention, embeddingDims, listLoss, modelSize } from "./checks/model_checks.ts";
import { keptFeatures } from "./checks/kept_checks.ts";
import { logPartitions } from "./checks/partition_checks.ts";
import { redisAddress } from "./checks/redis_checks.ts";
import { recommendations } from "./checks/recommend_checks.ts";
import { attributeTypes, scenarios } from "./checks/rule_checks.ts";
import { bucketAddress } from "./checks/s3_checks.ts";
import { labelRules, lateLabels, tasks, valueBounds } from "./checks/task_checks.ts";
import type { Finding } from "./problems.ts";

const checks: readonly Check[] = [
  slots,
  crosses,
  attention,
  embeddingNames,
  embeddingDims,
  listLoss,
  tasks,
  labelRules,
  lateLabels,
  valueBounds,
  attributeTypes,
  keptFeatures,
  scenarios,
  recommendations,
  modelSize,
  logPartitions,
  memory,
  queues,
  hostRoles,
  hostAddresses,
  linkTimes,
  leaseTime,
  hostStorage,
  redisAddress,
  bucketAddress,
];

/** All contradictions between sections. */
export function crossFieldFindings(sections: Sections, host?: HostLimits): Finding[] {
  return checks.flatMap((check) => [...check(sections, host)]);
}
