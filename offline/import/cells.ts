/** Ids, numbers and attributes in the cells of a file of history. */
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import { idPattern } from "../../records/client_ids.ts";
import { shown } from "../datasets/errors.ts";
import { type DecimalSign, decimalSignsOf, numberOfText } from "../datasets/numbers.ts";
import type { Cell } from "./file_rows.ts";
import type { AttributeType, MappedColumn } from "./mapping.ts";

/** A row cannot be used. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/** The attribute in a cell that has a value. @throws {RefusedError} When it is of another type. */
export function attributeOf(
  cell: Cell,
  type: AttributeType,
  { column, separator }: MappedColumn,
  decimal: DecimalSign | undefined,
): FeatureAttributes[string] {
  switch (type) {
    case "number":
      return numberOf(cell, `column ${column}`, decimal);
    case "boolean": {
      const text = String(cell).trim().toLowerCase();
      const value = booleans.get(text);
      if (value !== undefined) return value;
      throw new RefusedError(`column ${column} is ${shown(String(cell))}, expected true or false`);
    }
    case "list": {
      const parts = listOf(cell, `column ${column}`) ?? arrayOf(cell) ??
        String(cell).split(separator);
      const texts = parts.filter((part) => !isAbsent(part)).map((part) => textOf(part).trim());
      return texts.map((text) => readable(text, `column ${column}`));
    }
    default:
      return readable(textOf(cell), `column ${column}`);
  }
}

function textOf(cell: Cell): string {
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}

/** Texts by which databases and data frames export that there is no value. */
const nullTexts = new Set(["", "NULL", "null", "\\N", "None", "NaN", "nan", "<NA>"]);

/** Whether a cell has no value. */
export function isAbsent(cell: Cell): boolean {
  return cell === undefined || cell === null || Number.isNaN(cell) ||
    typeof cell === "string" && nullTexts.has(cell.trim());
}

/** The list in a cell: of JSON Lines or Parquet, or written as JSON in a table; else undefined. */
export function listOf(cell: Cell, what: string): readonly Cell[] | undefined {
  if (Array.isArray(cell)) return cell;
  if (typeof cell !== "string" || !/^\s*\[.*\]\s*$/s.test(cell)) return undefined;
  try {
    return JSON.parse(cell);
  } catch { /* another kind of list, or a text such as "[new] cup [red]" */ }
  if (!/^\s*\[\s*['"]/.test(cell)) return undefined;
  throw new RefusedError(
    `${what} is ${
      shown(cell)
    }, which is no list of JSON; write ["a", "b"], or the values between |`,
  );
}

/** Texts of booleans: of JSON, of numbers and as PostgreSQL writes them. */
const booleans: ReadonlyMap<string, boolean> = new Map([
  ...["true", "1", "t"].map((text) => [text, true] as const),
  ...["false", "0", "f"].map((text) => [text, false] as const),
]);

/** An array as PostgreSQL writes it, such as `{red,"two words",NULL}`. */
const ARRAY = /^\{(?:(?:"(?:[^"\\]|\\.)*"|[^,{}"]+)(?:,(?!\})|(?=\}$)))*\}$/s;

function arrayOf(cell: Cell): string[] | undefined {
  if (typeof cell !== "string" || !ARRAY.test(cell)) return undefined;
  const values = cell.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|[^,]+/gs);
  return [...values].map(([text, quoted]) => quoted?.replaceAll(/\\(.)/gs, "$1") ?? text);
}

/** The text, which a file in another encoding would give another meaning than requests do. */
function readable(text: string, what: string): string {
  if (!text.includes("\ufffd")) return text;
  throw new RefusedError(
    `${what} is ${shown(text)}, whose bytes are not UTF-8; convert the file, for example by ` +
      "iconv -f WINDOWS-1252 -t UTF-8",
  );
}

/** A number that float32 holds. */
export function numberOf(cell: Cell, what: string, decimal: DecimalSign | undefined): number {
  const value = typeof cell === "string" ? numberOfText(cell, decimal) : cell;
  if (typeof value === "number" && Number.isFinite(Math.fround(value))) return value;
  const signs = decimal === undefined && typeof cell === "string" ? decimalSignsOf(cell) : [];
  const cure = signs.map((sign) => `--decimal '${sign}'`).join(" or ");
  throw new RefusedError(
    `${what} is ${shown(String(cell))}, ${
      cure === "" ? "expected a number" : `whose comma may be the decimal sign: say ${cure}`
    }`,
  );
}

/** The id in a cell. A number that a table wrote with decimals (`17850.0`) is the whole number. */
export function idOf(cell: Cell, role: string): string {
  const text = typeof cell === "number"
    ? String(cell)
    : typeof cell === "string"
    ? cell.trim()
    : "";
  const id = /^\d+\.0+$/.test(text) ? text.slice(0, text.indexOf(".")) : text;
  if (idPattern.test(id)) return readable(id, `the ${role}`);
  throw new RefusedError(
    `the ${role} is ${shown(JSON.stringify(cell))}, expected text of 1 to 256 characters ` +
      "without control characters",
  );
}
