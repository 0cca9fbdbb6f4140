/**
 * Durations and sizes with units (`30m`, `512MiB`), so that every value in the file states its
 * unit.
 */
import { present } from "../structures/invariant.ts";
import { z } from "zod";

const msPerUnit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const bytesPerUnit = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const;

/** `"1.5s"` → 1500; undefined = not a duration. */
export function parseDurationMs(text: string): number | undefined {
  return parseWithUnit(text, msPerUnit);
}

/** `"512MiB"` → 536870912; undefined = not a size. */
export function parseBytes(text: string): number | undefined {
  return parseWithUnit(text, bytesPerUnit);
}

/** The shortest exact text, e.g. `30m`. */
export function formatDuration(ms: number): string {
  return formatWithUnit(ms, msPerUnit);
}

/** The shortest exact text in powers of 1024, e.g. `512MiB`. */
export function formatBytes(bytes: number): string {
  const { B, KiB, MiB, GiB, TiB } = bytesPerUnit;
  return formatWithUnit(bytes, { B, KiB, MiB, GiB, TiB });
}

/** The range of a duration or size as numbers; a keyword of the described schema. */
export interface UnitRange {
  readonly unit: "ms" | "bytes";
  readonly minimum: number;
  readonly maximum: number;
}

/** A duration from `least` to `most` (both as text); parsed to ms. */
export function duration(least: string, most: string) {
  return withUnit(
    "ms",
    `a duration from ${least} to ${most}`,
    parseDurationMs,
    present(parseDurationMs(least), "least is a duration"),
    present(parseDurationMs(most), "most is a duration"),
  );
}

/** A size from `least` to `most` (both as text); parsed to bytes. */
export function size(least: string, most: string) {
  return withUnit(
    "bytes",
    `a size from ${least} to ${most}`,
    parseBytes,
    present(parseBytes(least), "least is a size"),
    present(parseBytes(most), "most is a size"),
  );
}

/** Spellings of units that other programs take. */
const otherSpellings: Readonly<Record<UnitRange["unit"], Readonly<Record<string, string>>>> = {
  ms: { sec: "s", second: "s", min: "m", minute: "m", hr: "h", hour: "h", day: "d" },
  bytes: {
    b: "B",
    k: "KiB",
    kb: "KB",
    kib: "KiB",
    m: "MiB",
    mb: "MB",
    mib: "MiB",
    g: "GiB",
    gb: "GB",
  },
};

/**
 * The right spelling of a value without a unit, or with a unit of another program, as the end of a
 * message; empty where it cannot be guessed.
 */
export function unitAdvice(found: unknown, { unit, minimum, maximum }: UnitRange): string {
  const isDuration = unit === "ms";
  const fits = (value: number) => value >= minimum && value <= maximum;
  const format = isDuration ? formatDuration : formatBytes;
  if (typeof found === "number") {
    const value = isDuration ? 1000 * found : found;
    const read = isDuration ? `${found} seconds` : `${found} bytes`;
    return fits(value) ? `; write ${format(value)} for ${read}` : "";
  }
  const [, amount, spelt] = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+?)s?\s*$/.exec(String(found)) ?? [];
  const right = spelt === undefined ? undefined : otherSpellings[unit][spelt.toLowerCase()];
  if (right === undefined) return "";
  const value = (isDuration ? parseDurationMs : parseBytes)(`${amount}${right}`);
  return value !== undefined && fits(value) ? `; write ${amount}${right}` : "";
}

function withUnit(
  unit: UnitRange["unit"],
  expected: string,
  parse: (text: string) => number | undefined,
  least: number,
  most: number,
) {
  const range: UnitRange = { unit, minimum: least, maximum: most };
  return z.string().transform((text, context) => {
    const value = parse(text);
    if (value !== undefined && value >= least && value <= most) return value;
    context.issues.push({ code: "custom", message: expected, input: text });
    return z.NEVER;
  }).meta({ expected, range });
}

function parseWithUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
  if (match === null || !Object.hasOwn(units, match[2])) return undefined;
  return Number(match[1]) * units[match[2]];
}

function formatWithUnit(value: number, units: Readonly<Record<string, number>>): string {
  const [unit, factor] = Object.entries(units)
    .filter(([, factor]) => value % factor === 0)
    .reduce((best, entry) => entry[1] > best[1] ? entry : best, Object.entries(units)[0]);
  return `${value / factor}${unit}`;
}
