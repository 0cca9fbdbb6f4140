/**
 * Changes that the command line makes to a configuration before it is checked: another value here and there
 * (`--set trainer.batchRows=64`), another model (`--model logisticRegression`), another rule for labels.
 */
import { type Document, isMap, parse, parseDocument } from "yaml";
import { sparseInputsOf } from "../configuration/model_options.ts";
import { modelSection } from "../configuration/sections/model.ts";
import { usageError } from "./errors.ts";

/** What was typed. */
export interface ConfigurationOverrides {
  /** Each `path.to.key=value`, the value as YAML. */
  readonly assignments: readonly string[];
  /** Another kind of model; keys that only the configured kind has are left out. */
  readonly modelKind?: string;
  /** An action whose value is at least this is positive, any other negative: replaces the label rules of each task. */
  readonly positive?: { readonly action: string; readonly atLeast: number };
}

/** The text with the overrides applied; the configuration's own checks tell what is wrong with them. */
export function overrideConfiguration(text: string, overrides: ConfigurationOverrides): string {
  const { assignments, modelKind, positive } = overrides;
  if (assignments.length === 0 && modelKind === undefined && positive === undefined) return text;
  const document = parseDocument(text);
  // What is no YAML at all is told by the configuration's own reader, with its place.
  if (document.errors.length > 0) return text;
  if (modelKind !== undefined) replaceModel(document, modelKind);
  if (positive !== undefined) replaceLabels(document, positive.action, positive.atLeast);
  for (const assignment of assignments) {
    const [, path, value] = /^([\w.]+)=(.*)$/s.exec(assignment) ?? [];
    if (path === undefined) {
      throw usageError(
        `--set ${assignment} is no assignment; write it as --set trainer.batchRows=64.`,
      );
    }
    document.setIn(path.split("."), document.createNode(parse(value)));
  }
  return String(document);
}

function replaceModel(document: Document, name: string): void {
  const kind = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  // Of a kind that does not exist everything is kept: the configuration's own checks tell what is wrong with it.
  const shape = modelSection.options.find(({ shape }) => shape.kind.value === kind)?.shape;
  const model = (document.toJS() as { model?: Record<string, unknown> }).model ?? {};
  const entries = Object.entries(model).filter(([key]) =>
    shape === undefined || Object.hasOwn(shape, key)
  );
  document.setIn(["model"], document.createNode({ ...Object.fromEntries(entries), kind }));
  const section = modelSection.safeParse(document.toJS().model);
  // A kind that does not exist is told by the configuration's own checks.
  if (section.data === undefined) return;
  // Settings for parts of a row that this model does not have would be settings for nothing.
  const segments = sparseInputsOf(section.data).map(({ segment }) => segment);
  dropOthers(document, ["embeddings", "segments"], segments);
  for (const slot of Object.keys(document.toJS()?.embeddings?.slots ?? {})) {
    dropOthers(document, ["embeddings", "slots", slot, "segments"], segments);
  }
}

/** Removes the keys of the map at `path` that are not among `kept`. */
function dropOthers(document: Document, path: readonly string[], kept: readonly string[]): void {
  const map = document.getIn(path);
  if (!isMap(map)) return;
  for (const key of Object.keys(map.toJSON())) {
    if (!kept.includes(key)) document.deleteIn([...path, key]);
  }
}

function replaceLabels(document: Document, action: string, atLeast: number): void {
  const tasks: readonly string[] = document.toJS()?.model?.tasks ?? ["click"];
  const rules = [
    { action, valueAtLeast: atLeast, label: "positive", final: true },
    { action, valueBelow: atLeast, label: "negative", final: true },
  ];
  document.setIn(
    ["joiner", "tasks"],
    document.createNode(Object.fromEntries(tasks.map((task) => [task, rules]))),
  );
}
