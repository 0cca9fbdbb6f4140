/**
 * The work of `cairn import`: reads the files into a history, then sends its visits through the
 * event log of a mesh without a port, which joins and learns as it does from live traffic.
 */
import { counted } from "../../structures/counted.ts";
import { LabelRules } from "../../actors/joiner/label_rules.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { isZone, type TimeForms, timeMsOf } from "../../offline/datasets/times.ts";
import { History } from "../../offline/import/history.ts";
import { readHistory } from "../../offline/import/read_history.ts";
import {
  type LabelShares,
  labelShares,
  needsNegatives,
  type VisitCounts,
  type VisitOptions,
  Visits,
} from "../../offline/import/visits.ts";
import { fingerprintOf } from "../../structures/fingerprint.ts";
import type { Output } from "../command_line.ts";
import { DEFAULT_ACTION } from "../dataset_options.ts";
import { usageError } from "../errors.ts";
import { describeRules } from "../label_rules.ts";
import { loadConfiguration } from "../load_configuration.ts";
import type { TaskFigures } from "../load/task_figures.ts";
import { requireOneProcess } from "../one_process.ts";
import { Progress, stderrTarget } from "../progress.ts";
import { requireReportFolder } from "../report_file.ts";
import type { ImportFlags } from "./command.ts";
import { RefusedRows } from "./refused_rows.ts";
import { addPresetProfiles, describeSources, type ImportSource, openSources } from "./sources.ts";
import { writeVisits, type WrittenFigures } from "./write_visits.ts";

/** Sampled negatives per item of an event, where the history has none of its own. */
const NEGATIVES_DEFAULT = 4;

/** Kinds of events that a message names. */
const KINDS_SHOWN = 5;

/** Figures of an import, as `--json` prints them. */
export interface ImportFigures extends VisitCounts, WrittenFigures {
  /** Events and rankings of the files that were taken. */
  readonly imported: number;
  /** Rows that could not be used. */
  readonly refused: number;
  readonly users: number;
  readonly items: number;
  /** From the first row read to the snapshot. */
  readonly seconds: number;
}

/** Runs the command. */
export async function runImport(flags: ImportFlags, output: Output): Promise<ImportFigures> {
  const startedAtMs = performance.now();
  const serves = { serves: false };
  const configuration = await loadConfiguration(flags.config, overridesOf(flags), serves);
  const mesh = configuration.mesh?.id ?? "";
  requireOneProcess(
    configuration,
    flags.config,
    "Stop them, and import with a copy of the file that has no section mesh, and " +
      `storage.redis.name: ${mesh} where storage.redis is set; then start the hosts.`,
  );
  if (flags.dryRun !== true) requireDirectory(configuration, flags.config);
  await requireReportFolder(flags.refused);
  const times = timesOf(flags);
  const untilMs = flags.until === undefined ? Infinity : timeMsOf(flags.until, times);
  if (Number.isNaN(untilMs)) throw usageError(`--until ${flags.until} is not a time.`);

  const sources = await openSources(flags, configuration);
  output.err(describeSources(sources));
  const refused = new RefusedRows(flags.refused);
  const history = new History();
  try {
    await addPresetProfiles(flags, history);
    for (const source of sources) {
      const reading = { flags, configuration, history, refused, times, untilMs };
      const warning = await readSource(source, reading);
      if (warning !== "") output.err(`${source.file}: ${warning}\n`);
    }
  } finally {
    refused.close();
  }
  const { tasks } = configuration.joiner;
  const rules = new LabelRules(tasks);
  const shares = labelShares(history, rules);
  const negatives = flags.negatives ??
    (history.events > 0 && needsNegatives(shares) ? NEGATIVES_DEFAULT : 0);
  const { uniformShare } = configuration.gateway.eventsWithoutRanking;
  output.err(describeHistory(history, shares, refused, flags, { negatives, uniformShare }));
  const isEmpty = holdsNothing(history);
  if (isEmpty || history.events > 0 && shares.positive === 0) {
    const error = usageError(isEmpty ? noRow(refused) : noPositive(flags, tasks, history));
    if (flags.dryRun !== true) throw error;
    output.err(`${error.message}\n`);
  }
  const key = keyOf(sources, flags, { negatives, uniformShare }, configuration.joiner);
  const visits = new Visits(history, {
    idPrefix: `import-${key}`,
    windowMs: configuration.joiner.windowMs,
    rules,
    negatives,
    uniformShare,
    itemsSeen: flags.seen,
  });
  const written = flags.dryRun === true
    ? countVisits(visits)
    : await writeVisits({ configuration, history, visits, key, output });
  const figures: ImportFigures = {
    imported: history.events + history.rankings.length,
    refused: refused.total,
    users: history.profiles.user.size,
    items: history.profiles.item.size,
    ...visits.counts,
    ...written,
    seconds: Math.round((performance.now() - startedAtMs) / 100) / 10,
  };
  output.err(describeVisits(visits.counts));
  output.out(
    flags.json === true
      ? JSON.stringify(figures) + "\n"
      : flags.dryRun === true
      ? "Nothing was written (--dry-run).\n"
      : describeFigures(figures, flags),
  );
  return figures;
}

function timesOf({ dates, zone }: ImportFlags): TimeForms {
  if (zone !== undefined && !isZone(zone)) {
    throw usageError(
      `--zone ${zone} is no time zone; write a name such as Europe/Berlin, or an offset such as +09:00.`,
    );
  }
  return { ...(dates !== undefined && { order: dates }), ...(zone !== undefined && { zone }) };
}

/** How negatives are sampled. */
type NegativeOptions = Pick<VisitOptions, "negatives" | "uniformShare">;

interface Reading {
  readonly flags: ImportFlags;
  readonly configuration: CairnConfiguration;
  readonly history: History;
  readonly refused: RefusedRows;
  readonly times: TimeForms;
  readonly untilMs: number;
}

/** Adds a file to the history; returns a warning, or "". */
async function readSource(
  { file, content, rows, mapping }: ImportSource,
  { flags, configuration, history, refused, times, untilMs }: Reading,
): Promise<string> {
  const progress = new Progress(`reading ${file}`, undefined, stderrTarget());
  const { valueBounds, timestampAheadMsMax } = configuration.gateway;
  let read = 0;
  const { added, warning } = await readHistory(history, rows.rows(), {
    content,
    mapping,
    action: flags.action ?? DEFAULT_ACTION,
    times,
    ...(flags.decimal !== undefined && { decimal: flags.decimal }),
    latestMs: Date.now() + timestampAheadMsMax,
    untilMs,
    valueRanges: valueBounds,
    refuse: (line, reason, cells) => refused.add(file, rows.columns, { line, reason, cells }),
  }, (rows) => progress.update(read = rows, counted(rows, "row")));
  progress.finish(
    read,
    added === read
      ? counted(read, "row")
      : `${counted(read, "row")}, ${counted(added, "row")} used`,
  );
  return warning;
}

function requireDirectory({ storage }: CairnConfiguration, config: string): void {
  if (storage.kind === "directory") return;
  throw usageError(
    `Nothing would remain: storage is memory in ${config}. Name a data directory, there or by ` +
      "--set 'storage={ kind: directory, path: data }'.",
  );
}

function overridesOf({ set, action = DEFAULT_ACTION, labelAtLeast }: ImportFlags) {
  return {
    assignments: set,
    ...(labelAtLeast !== undefined && { positive: { action, atLeast: labelAtLeast } }),
  };
}

/**
 * A short name of the import: another file, mapping, option, window or label rule gives another
 * one, because it changes which visits come after which.
 */
function keyOf(
  sources: readonly ImportSource[],
  flags: ImportFlags,
  sampling: NegativeOptions,
  { tasks, windowMs }: CairnConfiguration["joiner"],
): string {
  const { action, labelAtLeast, decimal, dates, zone, until, seen } = flags;
  const files = sources.map(({ file, bytes, mapping }) => ({
    file: file.split("/").at(-1),
    bytes,
    mapping: mapping.map(({ column, target, separator }) => [column, target, separator]),
  }));
  const { high, low } = fingerprintOf(
    JSON.stringify({
      files,
      action,
      labelAtLeast,
      decimal,
      dates,
      zone,
      until,
      seen,
      ...sampling,
      tasks,
      windowMs,
    }),
  );
  return [high, low].map((word) => word.toString(16).padStart(8, "0")).join("");
}

function countVisits(visits: Visits): WrittenFigures {
  for (const _ of visits.all());
  return { examples: 0, windowsOpen: 0, resumed: false, tasks: {} };
}

function describeHistory(
  { events, rankings, profiles, firstMs, lastMs }: History,
  { positive, negative, ignored }: LabelShares,
  refused: RefusedRows,
  { seen }: ImportFlags,
  { negatives, uniformShare }: NegativeOptions,
): string {
  const n = (count: number) => count.toLocaleString("en");
  const lines = [
    `${counted(events, "event")}, ${counted(rankings.length, "ranking")}${
      firstMs <= lastMs ? ` from ${dayOf(firstMs)} to ${dayOf(lastMs)}` : ""
    }; ` +
    `${counted(profiles.item.size, "item")} and ${
      counted(profiles.user.size, "user")
    } in files of ` +
    "their own.",
  ];
  if (events > 0) {
    lines.push(
      `By the label rules: ${counted(positive, "positive event")}, ${n(negative)} negative, ` +
        `${n(ignored)} that no rule reads.`,
    );
  }
  if (negatives > 0) {
    lines.push(
      `Events without a ranking get ${negatives} sampled negatives per item: a share of ` +
        `${uniformShare} of them from all items known by then, the others from the newest events ` +
        "(gateway.eventsWithoutRanking.uniformShare). The loss corrects for the sample as if each " +
        `visit had shown ${seen} items (--seen); scores keep that base rate until live rankings ` +
        "correct it.",
    );
  } else if (positive > 0 && positive === events - ignored) {
    lines.push("All events are positive and no negatives are sampled: the model cannot learn.");
  }
  if (refused.total > 0) lines.push(`${counted(refused.total, "refused row")}:`);
  return lines.join("\n") + "\n" + refused.describe();
}

function holdsNothing({ events, rankings, profiles }: History): boolean {
  return events + rankings.length + profiles.item.size + profiles.user.size === 0;
}

function noRow({ total }: RefusedRows): string {
  return "There is nothing to import: " +
    (total > 0
      ? "every row was refused, for the reasons above."
      : "the files have no rows, or none before --until.");
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Says why no event is positive: the rules read other actions, or values that are missing. */
function noPositive(
  { config }: ImportFlags,
  tasks: CairnConfiguration["joiner"]["tasks"],
  history: History,
): string {
  const numbers = new Map<string, number>();
  const readActions = new Set(tasks.flatMap(({ rules }) => rules.map(({ action }) => action)));
  let read: string | undefined;
  for (let i = 0; i < history.events; i++) {
    const { action, value } = history.event(i);
    if (readActions.has(action)) read = action;
    const kind = Number.isNaN(value) ? `${action} without a value` : `${action} with a value`;
    numbers.set(kind, (numbers.get(kind) ?? 0) + 1);
  }
  const kinds = [...numbers].sort(([, a], [, b]) => b - a).slice(0, KINDS_SHOWN)
    .map(([kind, events]) => `${events.toLocaleString("en")} ${kind}`);
  return `By the label rules of ${config} no event is positive, so there is nothing to rank by: ` +
    `${describeRules(tasks)}. The events are ${kinds.join(", ")}${
      numbers.size > KINDS_SHOWN ? ", …" : ""
    }. Let joiner.tasks name such actions, without a value where they have none ({ action: ${
      read ?? "<action>"
    }, label: positive }); or name the action of all events by --action, and ignore a column of ` +
    "it (--map '<column>=ignore'); or the column of the value by --map '<column>=value'; or say " +
    "which values are positive: --label-at-least <value>.";
}

function describeVisits({ orphans, attributed, ignored, unmatched }: VisitCounts): string {
  const lines = [
    [orphans, "with a ranking that no file holds, or an item that it did not show"],
    [attributed, "matched to the newest ranking that showed the item to the user"],
    [ignored, "that no label rule reads; nothing is learned from them"],
    [unmatched, "that only take something back (a return), without a purchase in the window"],
  ] as const;
  return lines.filter(([count]) => count > 0)
    .map(([count, text]) => `${counted(count, "event")} ${text}\n`).join("");
}

/** The server needs the `--set` of the import: without them it may start from another directory. */
function describeFigures(figures: ImportFigures, { config, set }: ImportFlags): string {
  const changes = set.map((each) => ` --set '${each.replaceAll("'", "'\\''")}'`).join("");
  return `Imported ${counted(figures.imported, "row")} in ${figures.seconds} s${
    figures.resumed ? ", going on where an import had stopped" : ""
  }: learned ${counted(figures.examples, "example")}, and ${
    counted(figures.windowsOpen, "window")
  } open.\n` +
    Object.entries(figures.tasks).map(([task, quality]) => `${describeTask(task, quality)}\n`)
      .join("") +
    `Start the server with: cairn serve --config ${config}${changes}\n`;
}

/** The quality of a task, by examples that were scored before they were learned. */
function describeTask(task: string, quality: TaskFigures): string {
  const figures = Object.entries(quality).map(([name, value]) =>
    `${qualityNames[name] ?? name} ${value ?? "unknown"}`
  );
  return `${task}, each example scored before it was learned: ${figures.join(", ")}`;
}

const qualityNames: Readonly<Record<string, string>> = {
  auc: "AUC",
  meanSquaredError: "mean squared error",
};
