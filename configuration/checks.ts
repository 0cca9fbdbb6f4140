/**
 * Checks between values: names that must exist elsewhere, numbers that must fit together, and
 * limits of the machine. Each check sees only sections that are valid by themselves.
 *
 * This file exceeds 400 lines because it is one list of short, independent checks.
 */
import { slotNumberOf } from "../kernels/features/schema.ts";
import { makesNoIds, sharesIds } from "./feature_schema.ts";
import type { Finding } from "./expectations.ts";
import type { ConfigurationPath } from "./problems.ts";
import { rowClassesOf } from "./row_classes.ts";
import type { CairnFile } from "./schema.ts";
import { slicesOf } from "./slices.ts";
import { nearest } from "./suggestions.ts";
import { formatBytes } from "./units.ts";

/** Limits of the machine that the configuration is for. */
export interface HostLimits {
  readonly memoryBytes: number;
}

type Sections = Partial<CairnFile>;
type Check = (sections: Sections, host: HostLimits | undefined) => Iterable<Finding>;

export function crossFieldFindings(sections: Sections, host?: HostLimits): Finding[] {
  return checks.flatMap((check) => [...check(sections, host)]);
}

const SLOTS_MAX = 256;
/**
 * Part of the 4 GiB of a table's WASM memory that rows may use; snapshots and buffers need the
 * rest.
 */
const TABLE_BYTES_MAX = 3 * 2 ** 30;
const TABLE_BYTES_MIN = 2 ** 20;
const DENSE_WEIGHTS_MAX = 256_000_000;

function* slots({ features }: Sections): Iterable<Finding> {
  if (features === undefined) return;
  const names = Object.keys(features.slots);
  if (names.length === 0 || names.length > SLOTS_MAX) {
    yield {
      path: ["features", "slots"],
      message: `found ${names.length} slots, expected 1 to ${SLOTS_MAX}`,
    };
  }
  const nameByNumber = new Map<number, string>();
  for (const [name, slot] of Object.entries(features.slots)) {
    const path = ["features", "slots", name];
    if (sharesIds(slot)) {
      yield* sharedIds(name, slot, features.slots);
      continue;
    }
    const number = slot.slot ?? slotNumberOf(name);
    const other = nameByNumber.get(number);
    if (other !== undefined) {
      yield {
        path,
        message:
          `has the slot number ${number}, as "${other}" has; set \`slot:\` of one of them to another number`,
        atKey: true,
      };
    }
    nameByNumber.set(number, name);
    if (slot.kind === "numeric") {
      if (slot.buckets === undefined && slot.dense === undefined) {
        yield {
          path,
          message: "makes no feature; write buckets: { kind: log }, dense: { kind: log }, or both",
          atKey: true,
        };
      }
      if (slot.dense?.kind === "range" && slot.dense.low >= slot.dense.high) {
        yield {
          path: [...path, "dense", "high"],
          message: `found ${slot.dense.high}, expected a number above low (${slot.dense.low})`,
        };
      }
    }
  }
  if (names.length > 0 && Object.values(features.slots).every(makesNoIds)) {
    yield {
      path: ["features", "slots"],
      message: "no slot makes feature ids; add one of kind id, categorical, list, time, " +
        "or numeric with buckets",
      atKey: true,
    };
  }
}

type Slots = CairnFile["features"]["slots"];

function* sharedIds(
  name: string,
  { idsOf, slot }: { readonly idsOf: string; readonly slot?: number | undefined },
  slots: Slots,
): Iterable<Finding> {
  const path = ["features", "slots", name];
  const owner = Object.hasOwn(slots, idsOf) ? slots[idsOf] : undefined;
  if (owner === undefined || idsOf === name) {
    const others = Object.keys(slots).filter((other) => other !== name && !sharesIds(slots[other]));
    yield unknownName([...path, "idsOf"], idsOf, "other slot", others);
  } else if (sharesIds(owner)) {
    yield {
      path: [...path, "idsOf"],
      message: `"${idsOf}" itself shares the ids of "${owner.idsOf}"; write ${owner.idsOf}`,
    };
  } else if (owner.kind === "cross" || makesNoIds(owner)) {
    yield {
      path: [...path, "idsOf"],
      message:
        `"${idsOf}" has no ids of single values; name a slot of kind id, categorical or list`,
    };
  }
  if (slot !== undefined) {
    yield { path: [...path, "slot"], message: `it shares the number of "${idsOf}"; leave it out` };
  }
}

function* attention({ features, model }: Sections): Iterable<Finding> {
  if (features === undefined || model === undefined || !("attention" in model)) return;
  const withIds = Object.keys(features.slots).filter((name) => !makesNoIds(features.slots[name]));
  for (const [i, { slot, candidate }] of model.attention.entries()) {
    const path = ["model", "attention", i];
    const lists = withIds.filter((name) => features.slots[name].kind === "list");
    if (!lists.includes(slot)) {
      yield unknownName([...path, "slot"], slot, "slot of kind list", lists);
    } else if (model.attention.findIndex((other) => other.slot === slot) < i) {
      yield { path: [...path, "slot"], message: `duplicate attention over "${slot}"; keep one` };
    }
    if (!withIds.includes(candidate)) {
      yield unknownName([...path, "candidate"], candidate, "slot with ids", withIds);
    } else if (candidate === slot) {
      yield {
        path: [...path, "candidate"],
        message: `"${slot}" cannot be its own candidate; name another slot`,
      };
    }
  }
}

function* crosses({ features }: Sections): Iterable<Finding> {
  if (features === undefined) return;
  for (const [name, slot] of Object.entries(features.slots)) {
    if (slot.kind !== "cross") continue;
    for (const [i, part] of slot.of.entries()) {
      const path = ["features", "slots", name, "of", i];
      const target = Object.hasOwn(features.slots, part) ? features.slots[part] : undefined;
      if (target === undefined) {
        const others = Object.keys(features.slots).filter((other) =>
          features.slots[other].kind !== "cross"
        );
        yield unknownName(path, part, "slot", others);
      } else if (target.kind === "cross") {
        yield { path, message: `"${part}" is a cross itself; name the slots that it combines` };
      } else if (makesNoIds(target)) {
        yield { path, message: `"${part}" has only a dense value; give it buckets to cross it` };
      } else if (slot.of.indexOf(part) < i) {
        yield { path, message: `duplicate slot "${part}"; name each slot once` };
      }
    }
  }
}

function* embeddingNames({ features, model, embeddings }: Sections): Iterable<Finding> {
  if (embeddings === undefined) return;
  const slices = model === undefined ? undefined : slicesOf(model).map(({ name }) => name);
  const sliceMaps: [ConfigurationPath, EmbeddingOverrides][] = [
    [["embeddings", "slices"], embeddings.slices],
    ...Object.entries(embeddings.slots).map(([name, slot]) =>
      [["embeddings", "slots", name, "slices"], slot.slices] as [
        ConfigurationPath,
        EmbeddingOverrides,
      ]
    ),
  ];
  for (const [path, overrides] of sliceMaps) {
    for (const [name, { initializer }] of Object.entries(overrides)) {
      if (slices !== undefined && !slices.includes(name)) {
        yield {
          ...unknownName([...path, name], name, "slice of the model", slices),
          atKey: true,
        };
      }
      if (initializer?.kind === "uniform" && initializer.low >= initializer.high) {
        yield {
          path: [...path, name, "initializer"],
          message: `found low ${initializer.low} and high ${initializer.high}, expected low < high`,
        };
      }
    }
  }
  for (const name of Object.keys(embeddings.slots)) {
    if (features !== undefined && !Object.hasOwn(features.slots, name)) {
      const finding = unknownName(
        ["embeddings", "slots", name],
        name,
        "slot",
        Object.keys(features.slots),
      );
      yield { ...finding, atKey: true };
    } else if (features !== undefined && sharesIds(features.slots[name])) {
      yield {
        path: ["embeddings", "slots", name],
        message: `it shares the rows of "${features.slots[name].idsOf}"; set this there`,
        atKey: true,
      };
    }
  }
}

type EmbeddingOverrides = CairnFile["embeddings"]["slices"];

function* tasks({ model, joiner, ranker }: Sections): Iterable<Finding> {
  if (model === undefined) return;
  for (const [i, task] of model.tasks.entries()) {
    if (model.tasks.indexOf(task) < i) {
      yield { path: ["model", "tasks", i], message: `duplicate task "${task}"; keep one` };
    }
  }
  yield* knownTasks(["model", "taskLosses"], Object.keys(model.taskLosses), model.tasks);
  yield* knownTasks(["model", "taskWeights"], Object.keys(model.taskWeights), model.tasks);
  if (ranker !== undefined) {
    const weights = Object.entries(ranker.scoreWeights);
    yield* knownTasks(["ranker", "scoreWeights"], weights.map(([task]) => task), model.tasks);
    if (weights.length > 0 && model.tasks.length === 1) {
      yield {
        path: ["ranker", "scoreWeights"],
        message:
          "the model has one task, whose prediction is the score; leave scoreWeights out, or add tasks",
      };
    } else if (weights.length > 0 && weights.every(([, weight]) => weight === 0)) {
      yield {
        path: ["ranker", "scoreWeights"],
        message:
          "every weight is 0, so all items would have the same score; set a weight other than 0",
      };
    }
  }
  if (joiner === undefined) return;
  const ruled = Object.keys(joiner.tasks);
  yield* knownTasks(["joiner", "tasks"], ruled, model.tasks);
  // A misspelt task is reported once, as unknown, and not again as missing.
  if (ruled.length === 0 || ruled.some((task) => !model.tasks.includes(task))) return;
  for (const task of new Set(model.tasks)) {
    if (ruled.includes(task)) continue;
    yield {
      path: ["joiner", "tasks"],
      message: `has no rule for the model's task "${task}", which would learn only negatives; ` +
        `add ${task}: [{ action: ${task}, label: ${
          learnsValues(task, model) ? "value" : "positive"
        } }], or take it out of model.tasks`,
      atKey: true,
    };
  }
}

function* knownTasks(
  path: ConfigurationPath,
  names: readonly string[],
  known: readonly string[],
): Iterable<Finding> {
  for (const name of names) {
    if (known.includes(name)) continue;
    yield { ...unknownName([...path, name], name, "task of the model", known), atKey: true };
  }
}

function learnsValues(task: string, { taskLosses }: CairnFile["model"]): boolean {
  return Object.hasOwn(taskLosses, task) && taskLosses[task] === "squaredError";
}

function* labelRules({ model, joiner }: Sections): Iterable<Finding> {
  for (const [task, rules] of Object.entries(joiner?.tasks ?? {})) {
    for (const [i, { valueAtLeast, valueBelow, label }] of rules.entries()) {
      if (label === "value" && model?.tasks.includes(task) && !learnsValues(task, model)) {
        yield {
          path: ["joiner", "tasks", task, i, "label"],
          message: `found value, and "${task}" predicts a probability; write positive ` +
            `or negative, or set model.taskLosses: { ${task}: squaredError }`,
        };
      }
      if (valueAtLeast !== undefined && valueBelow !== undefined && valueAtLeast >= valueBelow) {
        yield {
          path: ["joiner", "tasks", task, i],
          message: `found valueAtLeast ${valueAtLeast} and valueBelow ${valueBelow}: ` +
            "no value matches both; expected valueAtLeast < valueBelow",
        };
      }
    }
  }
}

/** Widths of the slots' embeddings that the model accepts. */
function* embeddingDims({ features, model, embeddings }: Sections): Iterable<Finding> {
  if (features === undefined || model === undefined) return;
  const path = (name: string) => ["features", "slots", name, "embeddingDim"];
  for (const [name, slot] of Object.entries(features.slots)) {
    const { embeddingDim: dim } = slot;
    if (dim === undefined) continue;
    const reason = !("embeddingDim" in model)
      ? `${model.kind} has no embeddings; leave it out, or choose another model`
      : sharesIds(slot)
      ? `it shares the rows of "${slot.idsOf}"; set it there`
      : makesNoIds(slot)
      ? "the slot has only a dense value and no embeddings; leave it out, or give the slot buckets"
      : dim === 0 && !slicesOf(model).some((slice) => slice.name === "first_order")
      ? `found 0, and ${model.kind} has no first-order weights: the slot would have no weights at all; ` +
        "write 1 or more, or remove the slot"
      : dim !== 0 && dim !== model.embeddingDim && multipliesSlots.has(model.kind)
      ? `found ${dim}, and ${model.kind} multiplies embeddings of different slots, so all need the model's ` +
        `embeddingDim (${model.embeddingDim}) or 0; leave it out, or choose a model that only concatenates them: ` +
        "wideAndDeep, dcnV2, finalNet or mmoe"
      : undefined;
    if (reason !== undefined) yield { path: path(name), message: reason };
    const rules = embeddings?.slots[name]?.slices;
    if (dim === 0 && rules !== undefined && Object.hasOwn(rules, "embeddings")) {
      yield {
        path: ["embeddings", "slots", name, "slices", "embeddings"],
        message:
          "the slot's embeddingDim is 0, so these settings have no effect; remove one of the two",
        atKey: true,
      };
    }
  }
  if (!("embeddingDim" in model)) return;
  const dimOf = (name: string): number | undefined => {
    const slot = Object.hasOwn(features.slots, name) ? features.slots[name] : undefined;
    if (slot === undefined || makesNoIds(slot)) return undefined;
    const owner = sharesIds(slot)
      ? Object.hasOwn(features.slots, slot.idsOf) ? features.slots[slot.idsOf] : undefined
      : slot;
    return owner && (owner.embeddingDim ?? model.embeddingDim);
  };
  for (const [i, { slot, candidate }] of model.attention.entries()) {
    const [own, other] = [dimOf(slot), dimOf(candidate)];
    if (own === undefined || other === undefined || (own === other && own > 0)) continue;
    yield {
      path: ["model", "attention", i, "candidate"],
      message:
        `"${candidate}" has embeddings of width ${other} and "${slot}" of ${own}, and attention compares ` +
        "them; set the same embeddingDim above 0 for both",
    };
  }
  const dims = Object.keys(features.slots).map(dimOf).filter((dim) => dim !== undefined);
  if (dims.length > 0 && dims.every((dim) => dim === 0)) {
    yield {
      path: ["model", "kind"],
      message: `${model.kind} needs embeddings and every slot has embeddingDim 0; ` +
        "set one of them above 0, or choose logisticRegression",
    };
  }
}

/** Models with dot products between slots. */
const multipliesSlots: ReadonlySet<string> = new Set(["factorizationMachine", "deepFm", "dlrm"]);

function* modelSize({ features, model }: Sections): Iterable<Finding> {
  if (features === undefined || model === undefined) return;
  // The main tower's weights estimate the model's size well enough to catch a mistake.
  const all = Object.values(features.slots);
  const dense = all.filter((slot) => slot.kind === "numeric" && slot.dense !== undefined).length;
  if (model.kind === "dlrm" && dense === 0) {
    yield {
      path: ["model", "kind"],
      message: "dlrm needs dense values for its bottom tower and no slot has one; give a " +
        "numeric slot dense: { kind: log }, or choose deepFm",
    };
  }
  const layers = "hidden" in model
    ? ["hidden", model.hidden] as const
    : "top" in model
    ? ["top", model.top] as const
    : "expertHidden" in model
    ? ["expertHidden", model.expertHidden] as const
    : undefined;
  if (layers === undefined || !("embeddingDim" in model)) return;
  const [key, units] = layers;
  const inputs = all.filter((slot) => !makesNoIds(slot))
    .reduce((sum, { embeddingDim }) => sum + (embeddingDim ?? model.embeddingDim), dense);
  const weights = units.reduce(
    (sum, width, i) => sum + width * (i === 0 ? inputs : units[i - 1]),
    0,
  ) * (model.kind === "mmoe" ? model.experts : 1);
  if (weights > DENSE_WEIGHTS_MAX) {
    yield {
      path: ["model", key],
      message: `[${units.join(", ")}] over ${inputs} inputs makes ` +
        `${weights.toLocaleString("en")} dense weights, more than the limit of ` +
        `${DENSE_WEIGHTS_MAX.toLocaleString("en")}; lower ${key} or embeddingDim`,
    };
  }
}

function* memory(
  { embeddings, features, model, shards }: Sections,
  host?: HostLimits,
): Iterable<Finding> {
  if (embeddings === undefined || shards === undefined) return;
  const classes = features === undefined || model === undefined
    ? 1
    : Math.max(1, rowClassesOf({ features, model, embeddings }).length);
  const shareMin = classes * TABLE_BYTES_MIN;
  const limits: [ConfigurationPath, number][] = [
    [["embeddings", "bytesMax"], embeddings.bytesMax],
    [["embeddings", "serving", "bytesMax"], embeddings.serving.bytesMax],
  ];
  for (const [path, bytes] of limits) {
    const share = bytes / shards.count;
    const perShard = `${formatBytes(bytes)} over ${shards.count} shards is ` +
      `${(share / 2 ** 20).toFixed(1)}MiB a shard`;
    if (share > TABLE_BYTES_MAX) {
      yield {
        path,
        message: `${perShard}, and the limit of a shard is 3GiB; ` +
          `raise shards.count to ${
            Math.ceil(bytes / TABLE_BYTES_MAX)
          } or more, or lower this value`,
      };
    } else if (share < shareMin) {
      const needs = classes === 1
        ? "a table needs 1MiB"
        : `its ${classes} tables, one for each combination of widths and optimizers, need 1MiB each`;
      yield {
        path,
        message: `${perShard}, and ${needs}; write ${shards.count * classes}MiB or more, ` +
          "or lower shards.count",
      };
    }
  }
  const total = embeddings.bytesMax + embeddings.serving.bytesMax;
  if (host !== undefined && total > host.memoryBytes) {
    yield {
      path: ["embeddings", "bytesMax"],
      message: `${formatBytes(embeddings.bytesMax)} for training and ` +
        `${formatBytes(embeddings.serving.bytesMax)} for serving do not fit in this machine's ` +
        `${(host.memoryBytes / 2 ** 30).toFixed(1)}GiB; lower one of them`,
    };
  }
}

function* queues({ trainer, placement, shards, gateway }: Sections): Iterable<Finding> {
  if (trainer !== undefined && trainer.rowsWaitingMax < trainer.batchRows) {
    yield {
      path: ["trainer", "rowsWaitingMax"],
      message: `found ${trainer.rowsWaitingMax}, expected batchRows (${trainer.batchRows}) or ` +
        "more: no batch would be full",
    };
  }
  if (
    placement?.kind === "workers" && shards !== undefined && placement.shardThreads > shards.count
  ) {
    yield {
      path: ["placement", "shardThreads"],
      message: `found ${placement.shardThreads} threads for ${shards.count} shards; ` +
        `write ${shards.count} or less, or raise shards.count`,
    };
  }
  const apiKeys = gateway?.apiKeys ?? [];
  for (const [i, key] of apiKeys.entries()) {
    if (apiKeys.indexOf(key) < i) {
      yield { path: ["gateway", "apiKeys", i], message: "duplicate key; keep one" };
    }
  }
}

function unknownName(
  path: ConfigurationPath,
  name: string,
  what: string,
  known: readonly string[],
): Finding {
  const near = nearest(name, known);
  const instead = near !== undefined
    ? `did you mean "${near}"?`
    : known.length > 0
    ? `known: ${known.join(", ")}.`
    : "none is defined.";
  return { path, message: `unknown ${what} "${name}"; ${instead}` };
}

const checks: readonly Check[] = [
  slots,
  crosses,
  attention,
  embeddingNames,
  embeddingDims,
  tasks,
  labelRules,
  modelSize,
  memory,
  queues,
];
