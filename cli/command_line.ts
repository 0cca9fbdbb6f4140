/**
 * The command line: its commands, their help, and the conversion of errors into messages and exit
 * codes.
 */
import { Command } from "commander";
import metadata from "../deno.json" with { type: "json" };
import { LOG_FORMAT } from "../mesh/ports/log_format.ts";
import { FORMAT } from "../records/snapshot_manifest.ts";
import { catalogueCommand } from "./catalogue/command.ts";
import { dataCommand } from "./data/command.ts";
import { demoCommand } from "./demo/command.ts";
import { demoMeshCommand } from "./demo_mesh/command.ts";
import { healthCommand } from "./health/command.ts";
import { importCommand } from "./import/command.ts";
import { modelCommand } from "./model/command.ts";
import { nodeCommand } from "./node/command.ts";
import { placementCommands } from "./placement/command.ts";
import { replayCommand } from "./replay/command.ts";
import { serveCommand } from "./serve/command.ts";
import { sizeCommand } from "./size/command.ts";
import { snapshotCommand } from "./snapshot/command.ts";
import { simulateCommand } from "./simulate/command.ts";
import { trainCommand } from "./train/command.ts";
import { CommandError, CommandExit, describeError, exitCodes } from "./errors.ts";

/** The output streams of a command: the process's own, or a test's. */
export interface Output {
  /** Results. */
  out(text: string): void;
  /** Everything else. */
  err(text: string): void;
}

const examples = `
Examples:
  deno task demo                          watch rankings get better for a minute
  deno task cairn serve                   the ranking API with examples/movies.yaml
  deno task cairn serve --config my.yaml  the same with your features and model
  deno task cairn replay --dataset movietweetings --path <folder>
  deno task cairn train --dataset movielens --path <folder> --compare logisticRegression

Each command explains itself: deno task cairn <command> --help`;

/** A data directory can be read by builds with the same formats. */
function versions(): string {
  return [
    `cairn ${metadata.version}`,
    `deno ${Deno.version.deno}, V8 ${Deno.version.v8}`,
    `formats: logs ${LOG_FORMAT}, snapshots ${FORMAT}`,
  ].join("\n");
}

/** The whole command line. */
export function buildCommandLine(output: Output): Command {
  const program = new Command("cairn")
    .description(
      "Real-time recommendations: rank over HTTP, learn from what people do, rank better.",
    )
    .version(versions(), "--version", "print the versions of Cairn, Deno and the data formats")
    .helpOption("-h, --help", "explain a command")
    .option("--debug", "print stack traces with errors")
    .addHelpText("after", examples)
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: false, sortSubcommands: false });
  const ofMesh = placementCommands(output);
  for (
    const command of [
      serveCommand(output),
      nodeCommand(output),
      healthCommand(output),
      sizeCommand(output),
      demoCommand(output),
      demoMeshCommand(output),
      ...ofMesh,
      importCommand(output),
      catalogueCommand("item", output),
      catalogueCommand("user", output),
      trainCommand(output),
      replayCommand(output),
      simulateCommand(output),
      modelCommand(output),
      snapshotCommand(output),
      dataCommand(output),
    ]
  ) {
    program.addCommand(command);
  }
  const adopt = (command: Command) => {
    const usage = ofMesh.includes(command) ? exitCodes.failed : exitCodes.usage;
    command.exitOverride(({ exitCode }) => {
      throw new CommandExit(exitCode === 0 ? exitCodes.ok : usage);
    }).configureOutput({ writeOut: output.out, writeErr: output.err });
    for (const child of command.commands) adopt(child);
  };
  adopt(program);
  return program;
}

/**
 * Names of errors whose message is written for the user; all others are printed with a hint at
 * --debug.
 */
const spokenErrors: readonly string[] = [
  "BlobDamagedError",
  "CairnProblemError",
  "CairnUnreachableError",
  "CommandError",
  "ConfigurationError",
  "ConfigurationFileError",
  "DamagedFileError",
  "DataDirectoryError",
  "DatasetError",
  "GatewayError",
  "HostsRunError",
  "ListenError",
  "LogCorruptError",
  "LogFormatError",
  "LogPartitionsError",
  "LogTailLostError",
  "MeshMismatchError",
  "OtherBlobsError",
  "ProcessRunsError",
  "ProfileStoreUnavailableError",
  "ProtocolMismatchError",
  "RecordStoreUnavailableError",
  "RedisStorageError",
  "RestoreError",
  "S3Error",
  "SnapshotError",
  "TraceError",
  "UnknownHostError",
  "UnsafeRedisError",
];

/**
 * Runs one command.
 *
 * @returns The exit code.
 */
export async function runCommandLine(
  args: readonly string[],
  output: Output = processOutput(),
): Promise<number> {
  const debug = args.includes("--debug");
  const program = buildCommandLine(output);
  if (args.length === 0) {
    output.err(program.helpInformation() + examples + "\n");
    return exitCodes.usage;
  }
  try {
    // `--debug` may be anywhere, also after the command.
    const rest = withoutHelpOfUnknown(program, args.filter((arg) => arg !== "--debug"));
    await program.parseAsync(debug ? ["--debug", ...rest] : rest, { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommandExit) return error.exitCode;
    output.err(`error: ${describeError(error, debug)}\n`);
    const spoken = error instanceof Error && spokenErrors.includes(error.name);
    if (!spoken && !debug) output.err("Run it again with --debug to see where this comes from.\n");
    if (error instanceof CommandError) return error.exitCode;
    const unusable = error instanceof Error && /^(Configuration|Trace)/.test(error.name);
    return unusable ? exitCodes.usage : exitCodes.failed;
  }
}

/** Leaves out `--help` behind an unknown command, which would be answered by the general help. */
function withoutHelpOfUnknown(program: Command, args: readonly string[]): readonly string[] {
  const [name] = args;
  const isKnown = name === undefined || name.startsWith("-") || name === "help" ||
    program.commands.some((command) => command.name() === name);
  return isKnown ? args : [name];
}

function processOutput(): Output {
  const encoder = new TextEncoder();
  const write = (to: typeof Deno.stdout, text: string) => {
    const bytes = encoder.encode(text);
    try {
      for (let done = 0; done < bytes.length;) done += to.writeSync(bytes.subarray(done));
    } catch (error) {
      // The reader has enough, as in `cairn snapshot list data | head -1`; the command goes on.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  };
  return { out: (text) => write(Deno.stdout, text), err: (text) => write(Deno.stderr, text) };
}
