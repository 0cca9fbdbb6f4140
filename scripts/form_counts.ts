/**
 * Counts the form of the sources, room by room: how comments are worded, where words still have
 * several meanings, how long files are, and how promises are checked. The table shows whether a
 * change of form did what it meant to do.
 *
 *     deno run -A scripts/form_counts.ts [root] [--json]
 *
 * Comments are counted in TypeScript and Rust, tests included. Assertions and invariants are
 * counted in production code alone.
 */
import { scanSource } from "./comments.ts";
import { COMMENT_COLUMNS_MAX } from "./prose_rules.ts";

const FILE_LINES_MAX = 300;
/** Rooms without feature columns: a slot there is a cell of a hash table. */
const ROOMS_WITHOUT_FEATURES = /^(structures|mesh|gateway)\//;
/** Log files, and the demo, whose audience has segments of shoppers. */
const SEGMENT_FILES =
  /^(mesh\/adapters\/embedded|tests\/mesh\/adapters|tests\/contracts|records|cli\/demo|offline\/data_directory)\//;

/** A word with several meanings, and the files in which it has the one that remains. */
interface Word {
  readonly word: string;
  readonly pattern: RegExp;
  /** Whether the word has its one remaining meaning in this file. */
  readonly allowedIn?: (path: string) => boolean;
}

/** Found in comments and in the parts of identifiers: `WorkerPlace` is one "place". */
const WORDS: readonly Word[] = [
  { word: "place", pattern: /\bplaces?\b/g },
  { word: "door", pattern: /\bdoors?\b/g },
  { word: "life", pattern: /\b(life|lives)\b/g },
  { word: "house", pattern: /\bhouses?\b/g },
  {
    word: "segment (not a log file)",
    pattern: /\bsegments?\b/g,
    allowedIn: (path) => SEGMENT_FILES.test(path),
  },
  {
    word: "slot (of a hash table)",
    pattern: /\bslots?\b/g,
    allowedIn: (path) => !ROOMS_WITHOUT_FEATURES.test(path),
  },
];

/** Counts of one room. */
export interface Row {
  files: number;
  lengths: number[];
  commentLines: number;
  what: number;
  openings: number;
  persons: number;
  long: number;
  assertions: number;
  invariants: number;
  longFiles: number;
  words: number[];
}

/** A row of zeros. */
export function emptyRow(): Row {
  return {
    files: 0,
    lengths: [],
    commentLines: 0,
    what: 0,
    openings: 0,
    persons: 0,
    long: 0,
    assertions: 0,
    invariants: 0,
    longFiles: 0,
    words: WORDS.map(() => 0),
  };
}

const matches = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;

/** `#placeOf` as "place of": identifiers in separate words, all lower case. */
function inWords(text: string): string {
  return text.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/[_#$]/g, " ").toLowerCase();
}

/** Adds one file's counts to its room's row. */
export function addFile(row: Row, path: string, source: string): void {
  const { comments, code } = scanSource(path, source);
  const lines = source.split("\n").length - 1;
  const production = !path.startsWith("tests/") && path.endsWith(".ts");
  row.files++;
  row.lengths.push(lines);
  if (lines > FILE_LINES_MAX) row.longFiles++;
  const worded = comments.filter(({ text }) => text !== "");
  row.commentLines += worded.length;
  for (const { text, columns } of worded) {
    if (/\bwhat\b/i.test(text)) row.what++;
    if (/^(What|Those|Of)\b/.test(text)) row.openings++;
    row.persons += matches(text, /\b(nobody|somebody|whoever|whom|who)\b/gi);
    if (columns > COMMENT_COLUMNS_MAX) row.long++;
  }
  if (production) {
    row.assertions += matches(code, /[\w)\]]!(?!=)/g);
    row.invariants += matches(code, /(?<!function )\b(invariant|present)(<\w+>)?\(/g);
  }
  const text = inWords(`${comments.map((line) => line.text).join("\n")}\n${code}`);
  WORDS.forEach(({ pattern, allowedIn }, word) => {
    if (!allowedIn?.(path)) row.words[word] += matches(text, pattern);
  });
}

function merged(rows: readonly Row[]): Row {
  const sum = emptyRow();
  for (const row of rows) {
    for (const key of Object.keys(sum) as (keyof Row)[]) {
      if (key === "lengths") sum.lengths.push(...row.lengths);
      else if (key === "words") row.words.forEach((count, word) => sum.words[word] += count);
      else sum[key] += row[key];
    }
  }
  return sum;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

const HEADINGS = [
  ...["room", "files", "median", "p90", "max", `>${FILE_LINES_MAX}`, "comments", "what"],
  ...["What/Those/Of", "who", `>${COMMENT_COLUMNS_MAX} col`, "x!", "invariants"],
  ...WORDS.map(({ word }) => word.replace(/ .*/, "")),
];

function cells(room: string, row: Row): string[] {
  const lengths = row.lengths.toSorted((a, b) => a - b);
  return [
    ...[room, row.files, quantile(lengths, 0.5), quantile(lengths, 0.9), lengths.at(-1) ?? 0],
    ...[row.longFiles, row.commentLines, row.what, row.openings, row.persons, row.long],
    ...[row.assertions, row.invariants, ...row.words],
  ].map(String);
}

/** All sources below `root`, relative to it. */
async function* sources(root: string, folder = ""): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(root + folder)) {
    if (["node_modules", "target"].includes(entry.name) || entry.name.startsWith(".")) continue;
    if (entry.isDirectory) yield* sources(root, `${folder}${entry.name}/`);
    else if (/\.(ts|rs)$/.test(entry.name)) yield folder + entry.name;
  }
}

if (import.meta.main) {
  const [given] = Deno.args.filter((argument) => !argument.startsWith("--"));
  const root = given === undefined
    ? new URL("../", import.meta.url).pathname
    : `${await Deno.realPath(given)}/`;
  const rooms = new Map<string, Row>();
  for await (const path of sources(root)) {
    const [folder] = path.split("/");
    const room = path.endsWith(".rs") ? "Rust crate" : folder;
    if (!rooms.has(room)) rooms.set(room, emptyRow());
    addFile(rooms.get(room) ?? emptyRow(), path, await Deno.readTextFile(root + path));
  }
  const named = [...rooms].sort(([a], [b]) => a < b ? -1 : 1);
  const all = merged(named.map(([, row]) => row));
  if (Deno.args.includes("--json")) {
    console.log(JSON.stringify(Object.fromEntries([...named, ["all", all]].map(([room, row]) => {
      const values = cells(room as string, row as Row).slice(1).map(Number);
      return [room, Object.fromEntries(HEADINGS.slice(1).map((name, i) => [name, values[i]]))];
    }))));
  } else {
    const table = [HEADINGS, ...[...named, ["all", all] as const].map(([n, r]) => cells(n, r))];
    const widths = HEADINGS.map((_, i) => Math.max(...table.map((line) => line[i].length)));
    for (const line of table) {
      console.log(
        line.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join(
          "  ",
        ),
      );
    }
    const per = (count: number) => (1000 * count / all.commentLines).toFixed(1);
    console.log(
      `\nper 1,000 comment lines: what ${per(all.what)}, What/Those/Of ${per(all.openings)}, ` +
        `who ${per(all.persons)}, over ${COMMENT_COLUMNS_MAX} columns ${per(all.long)}`,
    );
  }
}
