/**
 * From the text of `cairn.yaml` to the options of the parts. This is the one place where configuration is checked;
 * what comes out of here is plain data that the parts trust.
 */
import type { EmbeddingShardOptions } from "../actors/embedding_shard/options.ts";
import type { JoinerOptions } from "../actors/joiner/options.ts";
import type { ParameterSyncOptions } from "../actors/parameter_sync/options.ts";
import type { RankerOptions } from "../actors/ranker/options.ts";
import type { ScorerOptions } from "../actors/scorer/options.ts";
import type { ServingReplicaOptions } from "../actors/serving_replica/options.ts";
import type { TrainerOptions } from "../actors/trainer/options.ts";
import type { GatewayOptions } from "../gateway/options.ts";
import type { DivergenceOptions } from "../kernels/dense/divergence.ts";
import type { ModelOptions, ModelSizes } from "../kernels/dense/models/options.ts";
import type { LearningRateSchedule } from "../kernels/dense/optimizers/learning_rate.ts";
import type { DenseOptimizerOptions } from "../kernels/dense/optimizers/options.ts";
import type { FeatureSchema } from "../kernels/features/schema.ts";
import { crossFieldFindings, type HostLimits } from "./checks.ts";
import { ConfigurationDocument } from "./document.ts";
import { type ReadEnvironment, withEnvironment } from "./environment.ts";
import { explainIssue, show, typedInstead } from "./expectations.ts";
import { featureSchemaOf } from "./feature_schema.ts";
import { partsOf } from "./parts.ts";
import { changeAt, ConfigurationError, formatPath, type TypedChange } from "./problems.ts";
import { type CairnFile, cairnSchema, sections } from "./schema.ts";
import type { PlacementSection, StorageSection } from "./sections/mesh.ts";

/** The whole mesh as options of its parts; what is left out there (addresses, partitions) the composition knows. */
export interface CairnConfiguration {
  readonly features: { readonly schema: FeatureSchema; readonly itemCacheBytesMax: number };
  readonly model: ModelOptions;
  readonly modelSizes: ModelSizes;
  /** How the trainer's session learns, and on what. */
  readonly session: {
    readonly optimizer: DenseOptimizerOptions;
    readonly learningRateSchedule?: LearningRateSchedule;
    readonly provider: "cpu" | "webgpu" | "cuda" | "auto";
    readonly threads: number;
    readonly seed: number;
    readonly divergence: DivergenceOptions;
  };
  readonly shardCount: number;
  /** Also the partitions of the example log. */
  readonly trainerCount: number;
  readonly placement: PlacementSection;
  readonly embeddingShard: Omit<EmbeddingShardOptions, "shard">;
  readonly servingReplica: Omit<ServingReplicaOptions, "shard">;
  readonly joiner: Omit<JoinerOptions, "partition">;
  readonly trainer: Omit<TrainerOptions, "source" | "partition" | "shards">;
  readonly sync: Pick<
    ParameterSyncOptions,
    | "rowsIntervalMs"
    | "denseIntervalMs"
    | "averageIntervalMs"
    | "deltaRowsMax"
    | "deltasPerRoundMax"
    | "budgetMs"
  >;
  readonly ranker: Omit<RankerOptions, "scorer">;
  readonly scorer: Omit<ScorerOptions, "replicas">;
  readonly storage: StorageSection;
  readonly http: { readonly host: string; readonly port: number };
  readonly gateway: GatewayOptions;
}

/** The machine that a configuration is meant for. */
export interface Host extends HostLimits {
  /** Gives the values of `${NAME}` texts. */
  readonly environment: ReadEnvironment;
}

/** What was typed beside the file. */
export interface Typed {
  /** The file's own text: where problems are that were not typed. */
  readonly fileText: string;
  readonly changes: readonly TypedChange[];
}

/**
 * The options of all parts, with every default filled in.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseConfiguration } from "./configuration.ts";
 *
 * const { embeddingShard } = parseConfiguration(
 *   "features: { slots: { user: { kind: id, source: user } } }",
 *   "cairn.yaml",
 * );
 * assert.equal(embeddingShard.tables.classes[0].slices[0].name, "first_order");
 * assert.throws(
 *   () => parseConfiguration("features: { slots: {} }\ngatewya: {}", "cairn.yaml"),
 *   /cairn\.yaml:2:1 .*gatewya/s,
 * );
 * ```
 *
 * @param text YAML (or JSON, which is YAML).
 * @param file The file's name, for messages.
 * @param host The machine that it is meant for; left out, nothing is checked against its limits and `${NAME}` stays text.
 * @param typed Says which values of the text are not the file's, so that messages name the option instead of a line.
 * @throws {ConfigurationError} With every problem found.
 */
export function parseConfiguration(
  text: string,
  file: string,
  host?: Host,
  typed?: Typed,
): CairnConfiguration {
  const document = new ConfigurationDocument(text);
  if (document.problems.length > 0) throw new ConfigurationError(file, document.problems);
  const written = valueOf(document, file);
  const { value, findings: unset } = host === undefined
    ? { value: written, findings: [] }
    : withEnvironment(written, host.environment);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const message = `found ${show(value)}, expected a map of sections, features: first`;
    throw new ConfigurationError(file, [document.problem([], message)]);
  }

  const parsed = cairnSchema.safeParse(value);
  const findings = (parsed.error?.issues ?? [])
    .flatMap((issue) => explainIssue(issue, value))
    // What a variable would have given is not known: one problem, not two.
    .filter(({ path }) => !unset.some((other) => formatPath(other.path) === formatPath(path)));
  const usable = parsed.data ?? validSections(value as Record<string, unknown>);
  findings.push(...unset, ...crossFieldFindings(usable, host));
  if (findings.length > 0 || parsed.data === undefined) {
    const places = typed === undefined ? document : new ConfigurationDocument(typed.fileText);
    const problems = findings.map((finding) => {
      const { path, message, atKey } = finding;
      const change = changeAt(path, typed?.changes ?? []);
      if (change === undefined) return places.problem(path, message, atKey);
      const instead = typedInstead(change, finding, value);
      return {
        flag: change.flag,
        line: 0,
        column: 0,
        path: formatPath(path),
        message: message + instead,
      };
    });
    problems.sort((a, b) => a.line - b.line || a.column - b.column);
    throw new ConfigurationError(file, problems);
  }
  return partsOf(parsed.data, featureSchemaOf(parsed.data));
}

function valueOf(document: ConfigurationDocument, file: string): unknown {
  try {
    return document.value();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError(file, [document.problem([], `its aliases: ${reason}`)]);
  }
}

/** The sections that are valid by themselves, so that one mistake does not hide those between other sections. */
function validSections(value: Record<string, unknown>): Partial<CairnFile> {
  return Object.fromEntries(
    Object.entries(sections)
      .map(([name, section]) => [name, section.safeParse(value[name]).data])
      .filter(([, data]) => data !== undefined),
  );
}
