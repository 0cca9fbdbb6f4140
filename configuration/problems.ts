/**
 * The error of a wrong configuration. It lists every problem with its position in the file, the
 * value found and the remedy.
 */
/** Keys and list indices from the root of the file to a value. */
export type ConfigurationPath = readonly (string | number)[];

/** A problem with the configuration, before its position in the file is known. */
export interface Finding {
  readonly path: ConfigurationPath;
  readonly message: string;
  /** True = report the position of the key, not of the value. */
  readonly atKey?: boolean;
}

/** A value from a command line option, which replaces the file's value. */
export interface TypedChange {
  /** The option in messages, without its value, which could be secret: `--set shards.count`. */
  readonly flag: string;
  readonly path: ConfigurationPath;
  /** Path of the value that the option created: `path`, or the parent that the file lacks. */
  readonly made: ConfigurationPath;
}

export interface ConfigurationProblem {
  /** The option that set the value; line and column are then 0. */
  readonly flag?: string;
  /** From 1: line of the value, or of the key when the key itself is wrong. */
  readonly line: number;
  readonly column: number;
  /** Dotted, e.g. `features.slots.genres.pooling`; empty for the file as a whole. */
  readonly path: string;
  /** The problem and its remedy. */
  readonly message: string;
}

/** The configuration cannot be used; `problems` has all reasons. */
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
 * A problem as one line: `cairn.yaml:14:23 shards.count: found 0, expected a whole number from 1 to
 * 1,024`, or `--set shards.count: found 0, …` for a command line option.
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

/** The last command line option that set the value at `path`. */
export function changeAt(
  path: ConfigurationPath,
  changes: readonly TypedChange[],
): TypedChange | undefined {
  return changes.findLast(({ made }) => made.every((key, i) => String(key) === String(path[i])));
}
