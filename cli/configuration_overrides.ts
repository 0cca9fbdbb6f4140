/**
 * Changes that the command line makes to a configuration before it is checked: another value here
 * and there (`--set trainer.batchRows=64`), another model (`--model logisticRegression`), another
 * rule for labels.
 */
import { type Document, isMap, parseDocument } from "yaml";
import { withoutSource } from "../configuration/document.ts";
import { sparseInputsOf } from "../configuration/model_options.ts";
import type { TypedChange } from "../configuration/problems.ts";
import { sections } from "../configuration/schema.ts";
import { type ModelSection, modelSection } from "../configuration/sections/model.ts";
import { slicesOf } from "../configuration/slices.ts";
import { usageError } from "./errors.ts";

/** The typed changes. */
export interface ConfigurationOverrides {
  /** Each `path.to.key=value`, the value as YAML. */
  readonly assignments: readonly string[];
  /**
   * Another kind of model; keys that only the configured kind has are left out. Assignments change
   * the model of `--model`. That of `--compare` stands in for the model with all assignments.
   */
  readonly model?: { readonly flag: "--model" | "--compare"; readonly kind: string };
  /**
   * A table of examples. Features that were typed, or the table's columns where nothing is
   * configured, are attributes of an item, each a category where its kind is not another. A value
   * of the action is the label: positive from a half on, or as it is for a task that predicts
   * values, where no label rules are configured.
   */
  readonly table?: {
    readonly columns: readonly string[];
    readonly features?: readonly string[];
    readonly kinds: Readonly<Record<string, "number" | "list">>;
    readonly action: string;
    /** L2 on all embeddings, where nothing else is typed. */
    readonly l2?: number;
  };
  /** L2 on all embeddings: the weight decay of each slice's optimizer. */
  readonly l2?: number;
  /**
   * An action whose value is at least this is positive, any other negative: replaces the label
   * rules of each task.
   */
  readonly positive?: { readonly action: string; readonly atLeast: number };
}

/** A configuration with the typed changes. */
export interface OverriddenConfiguration {
  readonly text: string;
  /** The typed changes, so that a problem with one of them can name the option. */
  readonly changes: readonly TypedChange[];
}

/**
 * The text with the overrides applied. Their values are checked with the rest of the configuration.
 *
 * @throws {CommandError} When a `--set` is not an assignment.
 */
export function overrideConfiguration(
  text: string,
  overrides: ConfigurationOverrides,
): OverriddenConfiguration {
  const { assignments, model, table, l2, positive } = overrides;
  const changes: TypedChange[] = [];
  if ([model, table, l2, positive, ...assignments].every((change) => change === undefined)) {
    return { text, changes };
  }
  const document = parseDocument(text);
  // The configuration's own reader reports text that is not YAML, with line and column.
  if (document.errors.length > 0) return { text, changes };
  const changing = (flag: string, path: readonly string[]) => {
    changes.push({ flag, path, made: firstMissing(document, path) });
  };
  const typedModel = () => {
    if (model === undefined) return;
    changing(`${model.flag} ${model.kind}`, ["model", "kind"]);
    replaceModel(document, model.kind);
  };
  if (model?.flag === "--model") typedModel();
  if (table?.features !== undefined) {
    changing("--features", ["features"]);
    replaceFeatures(document, table.features, table.kinds);
  } else if (table !== undefined && !document.has("features")) {
    changing("--label-column", ["features"]);
    replaceFeatures(document, table.columns, table.kinds);
  }
  if (positive !== undefined) {
    changing(`--label-at-least ${positive.atLeast}`, ["joiner", "tasks"]);
    replaceLabels(document, () => thresholdRules(positive.action, positive.atLeast));
  }
  if (table?.l2 !== undefined) writeL2(document, table.l2);
  for (const assignment of assignments) {
    const [, path, value] = /^([\w.-]+)=(.*)$/s.exec(assignment) ?? [];
    if (path === undefined) {
      // The text is not repeated, because its value may be an API key.
      throw usageError(
        "--set needs a dotted path and a value, such as --set trainer.batchRows=64; " +
          `found ${assignment.includes("=") ? "no dotted path before the =" : "no ="}.`,
      );
    }
    if (model?.flag === "--model" && (path === "model" || path === "model.kind")) {
      throw usageError(
        `--set ${path} and --model ${model.kind} both name the model: leave one of them out. ` +
          "Single keys, as --set model.embeddingDim=8, go with --model.",
      );
    }
    const keys = path.split(".");
    changing(`--set ${path}`, keys);
    assign(document, keys, value);
  }
  // After the assignments, which are of the model that is compared with this one.
  if (model?.flag === "--compare") typedModel();
  // After the assignments, which may say how the embeddings learn.
  if (l2 !== undefined) {
    writeDefaultOptimizers(document);
    for (const path of optimizersOf(document)) changing(`--l2 ${l2}`, [...path, "weightDecay"]);
    writeL2(document, l2);
  }
  // After the assignments, which may set a task's loss; typed or configured label rules stay.
  if (table !== undefined && !document.hasIn(["joiner", "tasks"])) {
    changing("--label-column", ["joiner", "tasks"]);
    replaceLabels(
      document,
      (predictsValues) =>
        predictsValues
          ? [{ action: table.action, label: "value", final: true }]
          : thresholdRules(table.action, 0.5),
    );
  }
  return { text: String(document), changes };
}

/** The part of the path that the document has, plus one key. */
function firstMissing(document: Document, path: readonly string[]): readonly string[] {
  const length = path.findIndex((_, i) => !document.hasIn(path.slice(0, i + 1)));
  return length < 0 ? path : path.slice(0, length + 1);
}

/** Messages name the path and never quote the value, which may be an API key. */
function assign(document: Document, path: readonly string[], value: string): void {
  const dotted = path.join(".");
  const typed = yamlValue(value);
  if (typed.problem !== undefined) {
    throw usageError(`--set ${dotted}: the value is not YAML: ${typed.problem}.`);
  }
  try {
    document.setIn(path, document.createNode(typed.value));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw usageError(`--set ${dotted} cannot be set in this file: ${reason}.`);
  }
}

function yamlValue(text: string): { readonly value?: unknown; readonly problem?: string } {
  // At the default level the library prints warnings that quote keys.
  const document = parseDocument(text, { prettyErrors: false, logLevel: "error" });
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) return { problem: withoutSource(error.message) };
  try {
    return { value: document.toJS() };
  } catch (cause) {
    return { problem: withoutSource(cause instanceof Error ? cause.message : String(cause)) };
  }
}

function replaceModel(document: Document, name: string): void {
  // DeepFM, deep_fm and deepFm are one; papers write the names in many ways.
  const plain = (text: string) => text.replaceAll(/[_-]/g, "").toLowerCase();
  // For an unknown kind all keys stay: the configuration's own checks report it.
  const shape = modelSection.options.find(({ shape }) => plain(shape.kind.value) === plain(name))
    ?.shape;
  const kind = shape?.kind.value ?? name;
  const model = (document.toJS() as { model?: Record<string, unknown> }).model ?? {};
  const entries = Object.entries(model).filter(([key]) =>
    shape === undefined || Object.hasOwn(shape, key)
  );
  document.setIn(["model"], document.createNode({ ...Object.fromEntries(entries), kind }));
  const section = modelSectionOf(document);
  if (section === undefined) return;
  // Settings of slices that this model does not have would be errors.
  const slices = sparseInputsOf(section).map(({ slice }) => slice);
  dropOthers(document, ["embeddings", "slices"], slices);
  for (const slot of Object.keys(document.toJS()?.embeddings?.slots ?? {})) {
    dropOthers(document, ["embeddings", "slots", slot, "slices"], slices);
  }
}

/**
 * Writes the default optimizers of slices that configure none, so that one of their values can be
 * changed.
 */
function writeDefaultOptimizers(document: Document): void {
  const section = modelSectionOf(document);
  if (section === undefined) return;
  for (const { name, optimizer } of slicesOf(section)) {
    const path = ["embeddings", "slices", name, "optimizer"];
    if (!document.hasIn(path)) document.setIn(path, document.createNode(optimizer));
  }
}

/** Writes L2 as the weight decay of every configured optimizer of embeddings. */
function writeL2(document: Document, strength: number): void {
  for (const path of optimizersOf(document)) document.setIn([...path, "weightDecay"], strength);
}

/** Undefined where it is invalid; the configuration's own checks report that. */
function modelSectionOf(document: Document): ModelSection | undefined {
  return sections.model.safeParse(document.toJS()?.model).data;
}

/** Paths of the configured optimizers, of the embeddings' slices and of slots. */
function optimizersOf(document: Document): string[][] {
  const namesIn = (path: readonly string[]) => {
    const map = document.getIn(path);
    return isMap(map) ? map.items.map(({ key }) => String(key)) : [];
  };
  const slots = ["embeddings", "slots"];
  const owners = [["embeddings"], ...namesIn(slots).map((slot) => [...slots, slot])];
  return owners
    .map((owner) => [...owner, "slices"])
    .flatMap((path) => namesIn(path).map((slice) => [...path, slice, "optimizer"]))
    .filter((path) => isMap(document.getIn(path)));
}

/** Removes the keys of the map at `path` that are not among `names`. */
function dropOthers(document: Document, path: readonly string[], names: readonly string[]): void {
  const map = document.getIn(path);
  if (!isMap(map)) return;
  for (const key of Object.keys(map.toJSON())) {
    if (!names.includes(key)) document.deleteIn([...path, key]);
  }
}

/** The slot of a column, by the column's kind. */
const columnSlots = {
  category: { kind: "categorical", source: "item" },
  /** Buckets by logarithm: the magnitude of a number matters, not its last digit. */
  number: { kind: "numeric", source: "item", buckets: { kind: "log", perDoubling: 4 } },
  list: { kind: "list", source: "context", pooling: "sum", valuesMax: 1000 },
} as const;

function replaceFeatures(
  document: Document,
  attributes: readonly string[],
  kinds: NonNullable<ConfigurationOverrides["table"]>["kinds"],
): void {
  const slots = Object.fromEntries(
    attributes.map((name) => {
      const kind = Object.hasOwn(kinds, name) ? kinds[name] : "category";
      return [name, { ...columnSlots[kind] }];
    }),
  );
  document.setIn(["features"], document.createNode({ slots }));
  dropOthers(document, ["embeddings", "slots"], attributes);
}

function replaceLabels(document: Document, rulesOf: (predictsValues: boolean) => object[]): void {
  const { tasks = ["click"], taskLosses } = document.toJS()?.model ?? {};
  const rules = Object.fromEntries(
    (tasks as string[]).map((task) => [task, rulesOf(taskLosses?.[task] === "squaredError")]),
  );
  document.setIn(["joiner", "tasks"], document.createNode(rules));
}

function thresholdRules(action: string, atLeast: number): object[] {
  return [
    { action, valueAtLeast: atLeast, label: "positive", final: true },
    { action, valueBelow: atLeast, label: "negative", final: true },
  ];
}
