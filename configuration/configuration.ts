/**
 * Turns the text of `cairn.yaml` into the options of all actors. Configuration is checked here and
 * nowhere else; the actors trust the plain data that they get.
 */
import type { EmbeddingShardOptions } from "../actors/embedding_shard/options.ts";
import type { FeatureKeeperOptions } from "../actors/feature_keeper/options.ts";
import type { JoinerOptions } from "../actors/joiner/options.ts";
import type { ParameterSyncOptions } from "../actors/parameter_sync/options.ts";
import type { RankerOptions } from "../actors/ranker/options.ts";
import type { RetrieverOptions } from "../actors/retriever/options.ts";
import type { RowFeedOptions } from "../actors/row_feed/options.ts";
import type { ScorerOptions } from "../actors/scorer/options.ts";
import type { ServingReplicaOptions } from "../actors/serving_replica/options.ts";
import type { TrainerOptions } from "../actors/trainer/options.ts";
import type { GatewayOptions } from "../gateway/options.ts";
import type { DivergenceOptions } from "../kernels/dense/divergence.ts";
import type { ModelOptions, ModelSizes } from "../kernels/dense/models/options.ts";
import type { LearningRateSchedule } from "../kernels/dense/optimizers/learning_rate.ts";
import type { DenseOptimizerOptions } from "../kernels/dense/optimizers/options.ts";
import type { FeatureSchema } from "../kernels/features/schema.ts";
import { crossFieldFindings } from "./checks.ts";
import { configurationWarnings } from "./warnings.ts";
import { hidden, Secrets } from "./secrets.ts";
import type { HostLimits } from "./checks/check.ts";
import { ConfigurationDocument, withoutSource } from "./document.ts";
import { type ReadEnvironment, withEnvironment } from "./environment.ts";
import { explainIssue, show } from "./issue_findings.ts";
import { typedInstead } from "./typed_advice.ts";
import { featureSchemaOf } from "./feature_schema.ts";
import { actorOptionsOf } from "./actor_options.ts";
import {
  changeAt,
  ConfigurationError,
  type ConfigurationProblem,
  type Finding,
  formatPath,
  formatProblem,
  type TypedChange,
} from "./problems.ts";
import { type CairnFile, cairnSchema, sections } from "./schema.ts";
import type { NetworkAddress } from "./addresses.ts";
import type { ComparedSections } from "./compared_sections.ts";
import type { Role } from "./sections/hosts.ts";
import type { ReplicaCount } from "../mesh/placement/replica_holders.ts";
import type { PartitionCounts } from "../mesh/ports/partitioning.ts";
import type { JoinerBounds } from "./partitions.ts";
import type { ShardMemory } from "./sharding.ts";
import type { PlacementSection, StorageSection } from "./sections/mesh.ts";

/**
 * The options of all parts of the mesh. Left out are addresses and partitions, which the
 * composition adds.
 */
export interface CairnConfiguration {
  readonly features: { readonly schema: FeatureSchema; readonly itemCacheBytesMax: number };
  readonly model: ModelOptions;
  readonly modelSizes: ModelSizes;
  /** Options of the trainers' sessions of the dense model. */
  readonly session: {
    readonly optimizer: DenseOptimizerOptions;
    readonly learningRateSchedule?: LearningRateSchedule;
    readonly provider: "cpu" | "webgpu" | "cuda" | "auto";
    readonly threads: number;
    readonly seed: number;
    readonly divergence: DivergenceOptions;
  };
  readonly shardCount: number;
  /** Number of the division of ids among the shards; 0 = the division of the file. */
  readonly sharding: number;
  /** Memory of all shards; the limits of each shard are derived from it. */
  readonly shardMemory: ShardMemory;
  /** Partitions of the logs in the present partitioning. */
  readonly partitions: PartitionCounts;
  /** The partitionings before it, oldest first; empty = the partitioning of the file. */
  readonly earlierPartitions: readonly PartitionCounts[];
  /** Time after a ranking within which its events may still be learned from, ms. */
  readonly learnedWithinMs: number;
  /** Bounds that the joiners of a partitioning share. */
  readonly joinerBounds: JoinerBounds;
  /** Trainers, each with a dense model, among which the partitions of the example log are dealt. */
  readonly trainerCount: number;
  /** Number of the division of partitions among the trainers; 0 = the division of the file. */
  readonly dealing: number;
  readonly placement: PlacementSection;
  /** Absent where one process runs all parts. */
  readonly mesh?: MeshOptions;
  readonly embeddingShard: Omit<EmbeddingShardOptions, "shard">;
  readonly servingReplica: Omit<ServingReplicaOptions, "shard" | "sync">;
  /** Serving hosts that hold a replica of each shard. */
  readonly servingReplicas: ReplicaCount;
  readonly joiner: Omit<JoinerOptions, "partition" | "partitionings" | keyof JoinerBounds>;
  readonly trainer: Omit<
    TrainerOptions,
    | "trainer"
    | "name"
    | "dealing"
    | "partitions"
    | "partitionedFrom"
    | "parameterSync"
    | "joiners"
    | "shards"
  >;
  readonly sync: Pick<
    ParameterSyncOptions,
    | "rowsIntervalMs"
    | "denseIntervalMs"
    | "averageIntervalMs"
    | "budgetMs"
  >;
  readonly rowFeed: Pick<RowFeedOptions, "retryMs" | "rowsMax" | "budgetMs">;
  readonly ranker: Omit<RankerOptions, "scorer" | "retriever" | "keepers">;
  /** Absent where no features are kept. */
  readonly featureKeeper?: Omit<FeatureKeeperOptions, "shard" | "extent">;
  /** Absent where `recommend.enabled` is false. */
  readonly retriever?: Omit<RetrieverOptions, "scorer">;
  readonly scorer: Omit<ScorerOptions, "replicas" | "sharding" | "sync">;
  readonly storage: StorageSection;
  /** Settings that are valid but usually a mistake: lines for the log at start, with remedies. */
  readonly warnings: readonly string[];
  readonly http: {
    readonly host: string;
    readonly port: number;
    /** Time that load balancers have to notice that the process stops, ms. */
    readonly stopAfterMs: number;
  };
  readonly gateway: GatewayOptions;
  /** Sections of the file for comparison with those of other hosts. */
  readonly compared: ComparedSections;
}

/** One process of a mesh of several. */
export interface HostOptions {
  readonly name: string;
  /** The other hosts connect to it. */
  readonly address: NetworkAddress;
  /** The host listens on it. */
  readonly listen: NetworkAddress;
  readonly roles: readonly Role[];
  /** Memory for shards; undefined: enough for all. */
  readonly capacityBytes: number | undefined;
  /** Undefined: it has no HTTP server. */
  readonly http: NetworkAddress | undefined;
}

/** A mesh of several processes. */
export interface MeshOptions {
  readonly id: string;
  /** The present secret first, then the one before; empty where the mesh has none. */
  readonly secrets: readonly string[];
  readonly heartbeatMs: number;
  readonly silenceMs: number;
  /** Length of a host's lease at the coordination store. */
  readonly leaseMs: number;
  /** Whether shards move to even out the hosts by themselves. */
  readonly balance: boolean;
  /** Shards that move at the same time. */
  readonly movesMax: number;
  readonly frameBytesMax: number;
  readonly windowBytes: number;
  /** In the order of the file. */
  readonly hosts: readonly HostOptions[];
}

/** The machine that a configuration is for. */
export interface Host extends HostLimits {
  /** Reads the variables of `${NAME}` values. */
  readonly environment: ReadEnvironment;
}

/** Changes to the file by command line options. */
export interface Typed {
  /** Text of the file without the changes, for line and column of problems in the file. */
  readonly fileText: string;
  readonly changes: readonly TypedChange[];
}

/**
 * Parses and checks a configuration, and fills in every default.
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
 * @param host The machine that it is for. Default: no checks against a machine's limits, and
 *   `${NAME}` stays text.
 * @param typed Values of the text that come from command line options, which messages then name
 *   instead of a line.
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
  const source = typed === undefined ? document : new ConfigurationDocument(typed.fileText);
  const written = valueOf(document, file);
  const hasFeatures = typeof written === "object" && written !== null && "features" in written;
  // Typed values alone may make a configuration, but not without features.
  if (document.isEmpty || (source.isEmpty && !hasFeatures)) {
    const found = (typed?.fileText ?? text).includes("#") ? "empty but for comments" : "empty";
    const message = `the file is ${found}; expected a map of sections, at least features`;
    throw new ConfigurationError(file, [source.problem([], message)]);
  }
  const { value, texts, findings: unset } = host === undefined
    ? { value: written, texts: [], findings: [] }
    : withEnvironment(written, host.environment);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const found = typeof value === "string" ? hidden(value) : show(value);
    const message = `found ${found}, expected a map of sections, at least features`;
    throw new ConfigurationError(file, [document.problem([], message)]);
  }

  const secrets = new Secrets(value, texts);
  const parsed = cairnSchema.safeParse(value);
  const findings = (parsed.error?.issues ?? [])
    .flatMap((issue) => explainIssue(issue, value, secrets))
    // The value of an unset variable is unknown, so its other problems are not reported.
    .filter(({ path }) => !unset.some((other) => formatPath(other.path) === formatPath(path)));
  const usable = parsed.data ?? validSections(value as Record<string, unknown>);
  findings.push(...unset, ...crossFieldFindings(usable, host));
  const problemsOf = (findings: readonly Finding[]): ConfigurationProblem[] =>
    findings.map((finding) => {
      const { path, atKey } = finding;
      const message = secrets.redacted(finding.message);
      const change = changeAt(path, typed?.changes ?? []);
      if (change === undefined) return source.problem(path, message, atKey);
      const instead = secrets.redacted(typedInstead(change, finding, value));
      const { flag } = change;
      return { flag, line: 0, column: 0, path: formatPath(path), message: message + instead };
    }).sort((a, b) => a.line - b.line || a.column - b.column);
  if (findings.length > 0 || parsed.data === undefined) {
    throw new ConfigurationError(file, problemsOf(findings));
  }
  const warnings = problemsOf(configurationWarnings(parsed.data, host))
    .map((problem) => formatProblem(file, problem));
  return { ...actorOptionsOf(parsed.data, featureSchemaOf(parsed.data)), warnings };
}

function valueOf(document: ConfigurationDocument, file: string): unknown {
  try {
    return document.value();
  } catch (error) {
    const reason = withoutSource(error instanceof Error ? error.message : String(error));
    throw new ConfigurationError(file, [
      document.problem([], `cannot resolve its aliases: ${reason}`),
    ]);
  }
}

/**
 * The sections that are valid by themselves, so that checks between them run although other
 * sections are wrong.
 */
function validSections(value: Record<string, unknown>): Partial<CairnFile> {
  return Object.fromEntries(
    Object.entries(sections)
      .map(([name, section]) => [name, section.safeParse(value[name]).data])
      .filter(([, data]) => data !== undefined),
  );
}
