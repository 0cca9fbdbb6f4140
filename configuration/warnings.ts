/**
 * Warnings about settings that are valid but usually a mistake, with their remedies. They are
 * logged at start.
 */
import { evenShare } from "../mesh/placement/replica_holders.ts";
import type { HostLimits } from "./checks/check.ts";
import { type ConfigurationPath, type Finding, formatPath } from "./problems.ts";
import { keptOwnerOf } from "./feature_schema.ts";
import { gatewayOptionsOf, rankingsCovering } from "./gateway_options.ts";
import { labelRulesOf, largestValue, valueBoundsOf } from "./label_rules.ts";
import { taskOptionsOf } from "./model_options.ts";
import type { CairnFile } from "./schema.ts";
import { servingBytesNeeded } from "./serving_memory.ts";
import { formatDuration } from "./units.ts";

/** The delay of negatives that does not bias a model noticeably, ms. */
const NEGATIVES_DELAY_MS_HARMLESS = 60_000;

type Warn = (file: CairnFile, host: HostLimits | undefined) => Iterable<Finding>;

/** @param host The machine's limits; undefined = not compared. */
export function configurationWarnings(file: CairnFile, host?: HostLimits): Finding[] {
  return warnings.flatMap((warn) => [...warn(file, host)]);
}

/** Values as labels without bounds: training cannot tell a huge value from a mistake. */
function* unboundedLabels({ model, joiner }: CairnFile): Iterable<Finding> {
  const bounds = valueBoundsOf(joiner);
  for (const task of model.tasks) {
    if (taskOptionsOf(task, model).loss !== "squaredError") continue;
    const configured = Object.hasOwn(joiner.tasks, task);
    for (const [i, rule] of labelRulesOf(task, model, joiner).entries()) {
      if (rule.label !== "value" || Number.isFinite(largestValue(rule, bounds))) continue;
      const effect = "has no bounds, so one huge value can disturb training until it is refused";
      yield configured
        ? {
          path: ["joiner", "tasks", task, i, "label"],
          message: `the label ${effect}; add valueMax: … to this rule`,
        }
        : {
          path: ["model", "taskLosses", task],
          message: `the label, the value of the action "${rule.action}", ${effect}; write ` +
            `joiner.tasks: { ${task}: [{ action: ${rule.action}, label: value, valueMax: … }] }`,
          atKey: true,
        };
    }
  }
}

/**
 * Positives that become examples at once while negatives wait for the end of the window: the model
 * sees only positives of new rankings, and predicts too high.
 */
function* earlyPositives({ model, joiner }: CairnFile): Iterable<Finding> {
  if (joiner.window <= NEGATIVES_DELAY_MS_HARMLESS) return;
  for (const task of model.tasks) {
    const rules = Object.hasOwn(joiner.tasks, task) ? joiner.tasks[task] : [];
    if (rules.some(({ label, final }) => label === "negative" && final)) continue;
    const i = rules.findIndex(({ label, final }) => label === "positive" && final);
    if (i < 0) continue;
    const window = formatDuration(joiner.window);
    yield {
      path: ["joiner", "tasks", task, i, "final"],
      message: `positives are learned at once and negatives ${window} later, so predictions are ` +
        "too high; leave final out, so that both are learned at the end of the window, " +
        "shorten joiner.window, or add a rule with label: negative and final: true",
    };
  }
}

/** A gateway that forgets rankings which the joiner still holds: it refuses their events. */
function* forgottenRankings({ gateway, joiner }: CairnFile): Iterable<Finding> {
  const { rankingsRememberedMax: remembered, unknownRankings } = gateway;
  if (unknownRankings === "accept" || remembered === undefined) return;
  const needed = rankingsCovering(joiner);
  if (remembered >= needed) return;
  yield {
    path: ["gateway", "rankingsRememberedMax"],
    message: `found ${remembered}, and joiner.impressionsMax (${joiner.impressionsMax}) needs ` +
      `${needed}: the API refuses events on rankings that the joiner could still join; leave it out`,
  };
}

/** Slots with the name of a kept feature that read the attributes of another owner. */
function* keptOfAnotherOwner({ features, kept }: CairnFile): Iterable<Finding> {
  for (const [name, slot] of Object.entries(features.slots)) {
    if (slot.kind !== "numeric" && slot.kind !== "list") continue;
    const attribute = slot.attribute ?? name;
    if (!Object.hasOwn(kept.features, attribute)) continue;
    const owner = keptOwnerOf(kept.features[attribute]);
    if (slot.source === owner) continue;
    yield {
      path: ["features", "slots", name, "source"],
      message: `found ${slot.source}, and the kept feature "${attribute}" is an attribute of the ` +
        `${owner}: this slot reads only values that clients send; write source: ${owner}, or ` +
        "rename one of them",
    };
  }
}

/** Rows that one serving host alone holds are away with it. */
function* singleHolders({ embeddings, mesh }: CairnFile): Iterable<Finding> {
  const hosts = servingHostCount(mesh);
  if (embeddings.serving.replicas !== 1 || hosts === 1) return;
  yield {
    path: ["embeddings", "serving", "replicas"],
    message: "found 1: while one of the serving hosts is away, rankings of the others lack the " +
      "rows that it holds; write 2 or more",
  };
}

function servingHostCount(mesh: CairnFile["mesh"]): number {
  if (mesh === undefined) return 1;
  return Object.values(mesh.hosts).filter(({ roles }) => roles.includes("serving")).length;
}

/** Bounds of memory that are each below the machine's memory, and together above it. */
function* memoryTogether(file: CairnFile, host: HostLimits | undefined): Iterable<Finding> {
  if (host === undefined) return;
  const bounds = memoryBounds(file).sort((a, b) => b.bytes - a.bytes);
  const total = bounds.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= host.memoryBytes) return;
  const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)}GiB`;
  const largest = bounds.slice(0, 3).map(({ path, bytes }) =>
    `${gibibytes(bytes)} by ${formatPath(path)}`
  );
  yield {
    path: bounds[0].path,
    message: `the process may use ${gibibytes(total)} of memory (${largest.join(", ")}, …), more ` +
      `than the ${gibibytes(host.memoryBytes)} that it gets here; lower this value`,
  };
}

/** The largest uses of memory that settings bound. */
function memoryBounds(
  file: CairnFile,
): { readonly path: ConfigurationPath; readonly bytes: number }[] {
  const { embeddings, features, gateway, joiner, kept, mesh, shards, storage } = file;
  const { serving } = embeddings;
  const held = evenShare(servingHostCount(mesh), shards.count, serving.replicas) / shards.count;
  return [
    // Copies of changed rows take up to a quarter more, and recent lookups up to 1/64.
    { path: ["embeddings", "bytesMax"], bytes: (1.25 + 1 / 64) * embeddings.bytesMax },
    {
      path: ["embeddings", "serving", "bytesMax"],
      bytes: held * (serving.bytesMax ?? servingBytesNeeded(file)),
    },
    { path: ["features", "itemCache"], bytes: features.itemCache },
    {
      path: ["joiner", "impressionsBytesMax"],
      // Records are packed into chunks, which may be half empty; the gateway knows the same
      // rankings.
      bytes: 2 * joiner.impressionsBytesMax + gatewayOptionsOf(file).rankingsBytesMax,
    },
    { path: ["gateway", "bodiesMax"], bytes: gateway.bodiesMax },
    ...(Object.keys(kept.features).length > 0
      ? [{ path: ["kept", "bytesMax"], bytes: kept.shards * kept.bytesMax }]
      : []),
    ...(storage.kind === "memory"
      // The event log and the example log.
      ? [
        { path: ["storage", "logBytesMax"], bytes: 2 * storage.logBytesMax },
        // Objects in memory take more than their text.
        { path: ["storage", "profilesBytesMax"], bytes: 4 * storage.profilesBytesMax },
      ]
      : []),
  ];
}

const warnings: readonly Warn[] = [
  unboundedLabels,
  earlyPositives,
  forgottenRankings,
  keptOfAnotherOwner,
  singleHolders,
  memoryTogether,
];
