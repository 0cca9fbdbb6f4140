/**
 * The sections of the file that the hosts of a mesh compare: the effective values, less those that
 * are defaults of the schema. So it does not matter which of these a file spells out, or a build
 * knows. Options that a build derives from a section are not compared: deriving them otherwise is a
 * change of the protocol between hosts.
 *
 * @see docs/adr/0055-compare-sections-without-their-defaults.md
 */
import { fileRulesOf, labelMaxOf } from "./label_rules.ts";
import { slotNumber } from "./feature_schema.ts";
import { taskOptionsOf } from "./model_options.ts";
import { embeddingDimOf, overridesOf } from "./row_classes.ts";
import type { CairnFile } from "./schema.ts";
import { embeddingsSection } from "./sections/embeddings.ts";
import { featuresSection, slotSchema } from "./sections/features.ts";
import { joinerSection, trainerSection } from "./sections/learning.ts";
import { syncSection } from "./sections/mesh.ts";
import { modelSection } from "./sections/model.ts";
import { slicesOf } from "./slices.ts";
import { withoutDefaults } from "./without_defaults.ts";

/** Values that can be compared as JSON, by section. */
export type ComparedSections = Readonly<
  Record<
    | "features"
    | "model"
    | "model.learningRateSchedule"
    | "embeddings"
    | "joiner.tasks"
    | "joiner"
    | "trainer"
    | "sync",
    unknown
  >
>;

export function comparedSectionsOf(file: CairnFile): ComparedSections {
  const { features, model, embeddings, joiner, trainer, sync } = file;
  const columns = Object.keys(features.slots);
  return {
    features: [
      columns.map((name) => [name, withoutDefaults(slotSchema, slotOf(name, file))]),
      withoutDefaults(featuresSection, omit(features, "slots", "itemCache")),
    ],
    model: [
      withoutDefaults(modelSection, {
        ...omit(model, "learningRateSchedule"),
        taskLosses: byTask(model, (task) => taskOptionsOf(task, model).loss),
        taskWeights: byTask(model, (task) => taskOptionsOf(task, model).weight),
      }),
      byTask(model, (task) => labelMaxOf(task, model, joiner) ?? null),
    ],
    "model.learningRateSchedule": withoutDefaults(
      modelSection,
      { kind: model.kind, learningRateSchedule: model.learningRateSchedule },
    ),
    embeddings: [
      withoutDefaults(embeddingsSection, {
        ...omit(
          embeddings,
          "bytesMax",
          "evictionInterval",
          "evictionBucketsMax",
          "awaitedBytesMax",
          "serving",
        ),
        slices: slicesIn(file),
      }),
      columns.map((name) => embeddingDimOf(name, file)),
    ],
    "joiner.tasks": withoutDefaults(joinerSection, {
      tasks: byTask(
        model,
        (task) =>
          fileRulesOf(task, model, joiner).map((rule) => omit(rule, "valueMin", "valueMax")),
      ),
    }),
    joiner: withoutDefaults(joinerSection, omit(joiner, "tasks", "partitions")),
    trainer: withoutDefaults(trainerSection, omit(trainer, "count", "partitions")),
    sync: withoutDefaults(syncSection, sync),
  };
}

/** A slot with the attribute and the number that it has by its name where the file has none. */
function slotOf(name: string, { features }: CairnFile): object {
  const slot = features.slots[name];
  const takesAttribute = "source" in slot && slot.kind !== "id";
  return {
    ...omit(slot, "embeddingDim"),
    slot: slotNumber(name, features.slots),
    ...(takesAttribute && { attribute: slot.attribute ?? name }),
  };
}

function slicesIn({ model, embeddings }: CairnFile): object {
  const overrides = overridesOf(embeddings.slices);
  return Object.fromEntries(
    slicesOf(model).map(({ name, initializer, optimizer }) =>
      [name, { initializer, optimizer, ...overrides[name] }] as const
    ),
  );
}

function byTask(
  { tasks }: CairnFile["model"],
  valueOf: (task: string) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(tasks.map((task) => [task, valueOf(task)]));
}

function omit<T extends object>(section: T, ...names: readonly (keyof T)[]): object {
  return Object.fromEntries(
    Object.entries(section).filter(([name]) => !names.includes(name as keyof T)),
  );
}
