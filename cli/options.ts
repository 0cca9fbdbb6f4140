/**
 * Options and arguments that several commands share, and how their values are read.
 */
import { Argument, InvalidArgumentError, Option } from "commander";
import { parseDurationMs } from "../configuration/units.ts";
import { modelKinds } from "../kernels/dense/models/options.ts";

/** A whole number in [min, max]. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max && text.trim() !== "") return value;
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
  };
}

/** A number in [min, max]. */
export function numberBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (value >= min && value <= max && text.trim() !== "") return value;
    throw new InvalidArgumentError(`Give a number from ${min} to ${max}.`);
  };
}

/** A duration above 0, as ms. */
export function durationMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new InvalidArgumentError("Give a duration such as 90s or 10m.");
}

/** Comma-separated column names. A repeated name is refused, because it would hide a column. */
export function namesOf(text: string): readonly string[] {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return names;
  throw new InvalidArgumentError(`"${twice}" is there twice; each column has a name of its own.`);
}

/** The text between two cells of a row; `\t` is a tab. */
export function delimiterOf(text: string): string {
  if (text !== "") return text.replaceAll("\\t", "\t");
  throw new InvalidArgumentError("Give at least one character, such as ';'.");
}

/** The path of a file that ships with this program, so that examples work from any folder. */
export function bundledFile(path: string): string {
  return new URL(`../${path}`, import.meta.url).pathname;
}

/** `--config`, with the example that fits the command. */
export function configOption(example: string): Option {
  return new Option("-c, --config <file>", "features, model and mesh, as YAML")
    .default(bundledFile(example), example);
}

/** `--json`. */
export function jsonOption(): Option {
  return new Option("--json", "write the result as one line of JSON on stdout");
}

/** `--model`. `verb` is the command's use of the model, for the help. */
export function modelOption(verb: string): Option {
  return new Option(
    "--model <kind>",
    `${verb} this kind of model instead of the configured one: ${modelKinds.join(", ")}`,
  );
}

/** `--set`, which may be given several times. */
export function setOption(): Option {
  return new Option("--set <path=value>", "change one value of the configuration (repeatable)")
    .argParser(collect).default([], "none");
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** The argument of a command that works on stored data. */
export function placeArgument(): Argument {
  return new Argument("<data>", "the data directory (storage.path), or the server's configuration");
}
