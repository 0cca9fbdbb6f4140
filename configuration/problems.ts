/**
 * What is wrong with a configuration: every problem at once, each with its place in the file, what was found and
 * what to write instead.
 */
export type ConfigurationPath = readonly (string | number)[];

/** A value that was typed beside the file and takes the place of what the file says. */
export interface TypedChange {
  /** The option as it may stand in a message, without values that could be secret: `--set shards.count`. */
  readonly flag: string;
  readonly path: ConfigurationPath;
  /** The part of the configuration that is not the file's: `path`, or what had to be made to hold it. */
  readonly made: ConfigurationPath;
}

export interface ConfigurationProblem {
  /** The option that brought the value; line and column then say nothing. */
  readonly flag?: string;
  /** From 1; the place of the value, or of the key where the key itself is wrong. */
  readonly line: number;
  readonly column: number;
  /** Dotted, e.g. `features.slots.genres.pooling`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong and what to write instead. */
  readonly message: string;
}

export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";

  constructor(readonly file: string, readonly problems: readonly ConfigurationProblem[]) {
    super([
      `Cannot use ${file}: ${problems.length} problem${problems.length === 1 ? "" : "s"}.`,
      ...problems.map((problem) => formatProblem(file, problem)),
    ].join("\n"));
  }
}

/**
 * `cairn.yaml:14:23 shards.count: found 0, expected a whole number from 1 to 1,024`, or
 * `--set shards.count: found 0, …` where it was typed.
 */
export function formatProblem(file: string, problem: ConfigurationProblem): string {
  const { flag, line, column, path, message } = problem;
  if (flag !== undefined) {
    return `${flag}: ${flag.endsWith(` ${path}`) ? "" : `${path}: `}${message}`;
  }
  return `${file}:${line}:${column} ${path === "" ? "" : `${path}: `}${message}`;
}

/** `["tasks", 0, "label"]` → `tasks[0].label` */
export function formatPath(path: ConfigurationPath): string {
  return path.map((key, i) =>
    typeof key === "number"
      ? `[${key}]`
      : /^[A-Za-z_][\w-]*$/.test(key)
      ? (i === 0 ? key : `.${key}`)
      : `["${key}"]`
  ).join("");
}

/** The last change that brought what lies at `path`. */
export function changeAt(
  path: ConfigurationPath,
  changes: readonly TypedChange[],
): TypedChange | undefined {
  return changes.findLast(({ made }) => made.every((key, i) => String(key) === String(path[i])));
}
