/**
 * The record of a demo that has failed: the first error with its stack, and the newest lines of
 * every log. The folder of the demo is kept with it, so that a failure that comes once in many runs
 * can be explained afterwards.
 */
import { describeError } from "../errors.ts";

/** Name of the record in the folder of the demo. */
export const FAILURE_FILE = "failure.txt";

/** Newest lines of each log. */
const LINES_MAX = 20;

export interface DemoFailure {
  readonly error: unknown;
  /** The step of the demo that was said last. */
  readonly step: string;
  /** Time since the demo began, ms. */
  readonly atMs: number;
  /** Load averages of the machine over 1, 5 and 15 minutes. */
  readonly load: readonly number[];
}

/**
 * Writes the record into the folder, of which it reads the logs.
 *
 * @returns A sentence that says where it is.
 */
export async function recordFailure(folder: string, failure: DemoFailure): Promise<string> {
  const { error, step, atMs, load } = failure;
  const parts = [
    `Failed after ${Math.round(atMs / 1_000)} s, at "${step}", under a load of ` +
    `${load.map((each) => each.toFixed(1)).join(", ")}.`,
    describeError(error, true),
    ...await newestLines(folder),
  ];
  await Deno.writeTextFile(`${folder}/${FAILURE_FILE}`, parts.join("\n\n") + "\n");
  return `${parts[0]} The error with its stack and the ends of all logs are in ` +
    `${folder}/${FAILURE_FILE}, the logs and the configuration next to it.`;
}

/** The newest lines of the logs in a folder and in its folders, by name. */
async function newestLines(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...await newestLines(path));
    if (!isFile || !name.endsWith(".log")) continue;
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
    found.push([`${name}:`, ...lines.slice(-LINES_MAX)].join("\n  "));
  }
  return found.sort();
}
