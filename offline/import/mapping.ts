/**
 * The meaning of each column of a file of history: a role, an attribute that features read, or
 * none. Proposed from names, changed by `--map`, with the reason for each column.
 */
import type { FeatureSchema, FeatureSource } from "../../kernels/features/schema.ts";
import type { AttributeType as RuleType, AttributeTypes } from "../../rules/attribute_types.ts";
import { columnCalled, delimiterHint, lastPart, plainName } from "../datasets/columns.ts";
import { DatasetError, shown } from "../datasets/errors.ts";
import {
  columnOfRole,
  fieldsOf,
  type FileContent,
  likelyColumn,
  lists,
  type Role,
  rolesOf,
  roleTexts,
  typedRole,
} from "./roles.ts";
import { timesByLastWord } from "./time_columns.ts";

export type AttributeType = "text" | "number" | "list" | "boolean";

export type Target =
  | { readonly kind: "role"; readonly role: Role }
  | {
    readonly kind: "attribute";
    readonly source: FeatureSource;
    readonly attribute: string;
    readonly type: AttributeType;
  }
  | { readonly kind: "ignored" };

export interface MappedColumn {
  readonly column: string;
  /** Index in the rows. */
  readonly index: number;
  readonly target: Target;
  /** Between two values of a list that is one text. */
  readonly separator: string;
  /** The reason, as part of a sentence. */
  readonly because: string;
}

/** Sources of the attributes that a file of each content may hold. */
const sourcesOf: Readonly<Record<FileContent, readonly FeatureSource[]>> = {
  items: ["item"],
  users: ["user"],
  impressions: ["context", "user"],
  events: ["item", "user", "context"],
};

const LIST_SEPARATOR = "|";

/** A typed `--map column=target`, and `--split column=separator`. */
export interface TypedMapping {
  readonly targets: ReadonlyMap<string, string>;
  readonly separators: ReadonlyMap<string, string>;
}

export interface MappingInput {
  readonly file: string;
  readonly content: FileContent;
  readonly columns: readonly string[];
  readonly schema: FeatureSchema;
  /** The attributes that rules may read. */
  readonly declared: AttributeTypes;
  readonly typed: TypedMapping;
  /** All files of the import: a typed meaning is for those that may have it. Default: this one. */
  readonly files?: readonly Pick<MappingInput, "content" | "columns">[];
}

/**
 * The mapping of a file's columns.
 *
 * @throws {DatasetError} When a typed meaning is unknown or that of two columns, or a needed role
 * has no column.
 */
export function proposeMapping(input: MappingInput): MappedColumn[] {
  const { columns, typed } = input;
  const proposals = new Proposals(input);
  proposals.addTyped();
  proposals.addRoles();
  proposals.addAttributes();
  return columns.map((column, index) => {
    const separator = typed.separators.get(column) ?? LIST_SEPARATOR;
    return { column, index, separator, ...proposals.of(column) };
  });
}

/** The meaning of a column, and the reason. */
type Proposal = Pick<MappedColumn, "target" | "because">;

/** The meanings of a file's columns. No two of them have the same one. */
class Proposals {
  readonly #input: MappingInput;
  readonly #attributes: ReadonlyMap<string, AttributeType>;
  readonly #proposals = new Map<string, Proposal>();
  /** The column of each role and of each `source.attribute`. */
  readonly #columnOf = new Map<string, string>();

  constructor(input: MappingInput) {
    this.#input = input;
    this.#attributes = attributeTypes(input.schema, input.declared);
  }

  of(column: string): Proposal {
    const because = "no feature or rule reads an attribute of that name";
    return this.#proposals.get(column) ?? { target: { kind: "ignored" }, because };
  }

  addTyped(): void {
    const { file, content, columns, typed, files = [] } = this.#input;
    for (const column of columns) {
      const text = typed.targets.get(column);
      if (text === undefined) continue;
      const target = typedTarget(text, content, this.#attributes);
      if (target === undefined) {
        const isOfOther = files.some((other) =>
          other.columns.includes(column) && typedTarget(text, other.content, this.#attributes)
        );
        if (isOfOther) continue;
        throw noMeaning(text, column, this.#input);
      }
      const other = this.#columnOf.get(meaningOf(target));
      if (other !== undefined) {
        const both = `${shown(other)} and ${shown(column)}`;
        throw new DatasetError(file, undefined, `--map gives columns ${both} the same meaning.`);
      }
      this.#set(column, target, "as --map says");
    }
  }

  addRoles(): void {
    const { content, columns } = this.#input;
    for (const role of rolesOf[content].all) {
      if (this.#columnOf.has(role)) continue;
      const free = columns.filter((column) => !this.#proposals.has(column));
      const column = columnOfRole(role, content, free, this.#columnOf.get("time"));
      if (column !== undefined) this.#set(column, { kind: "role", role }, "by its name");
    }
    const missing = rolesOf[content].needed.filter((role) => !this.#columnOf.has(role));
    const free = columns.filter((column) => !this.#proposals.has(column));
    if (missing.length > 0) throw missingRoles(missing, free, this.#input);
  }

  /** By the whole path first, then by the name, then by the last part of the path. */
  addAttributes(): void {
    const { content, columns } = this.#input;
    const attributes = sourcesOf[content].flatMap((source) =>
      [...this.#attributes].filter(([name]) => name.startsWith(`${source}.`))
        .map(([name, type]) => ({ name, type, source, attribute: name.slice(source.length + 1) }))
    );
    const byLastPart = Map.groupBy(columns, (column) => plainName(lastPart(column)));
    const ways: ((column: string, source: FeatureSource, plain: string) => boolean)[] = [
      (column, source, plain) =>
        ownerOf(column) === source && plainName(column.slice(source.length + 1)) === plain,
      (column, _, plain) => plainName(column) === plain,
      (column, source, plain) =>
        plainName(lastPart(column)) === plain && byLastPart.get(plain)?.length === 1 &&
        [undefined, source].includes(ownerOf(column)),
    ];
    for (const isCalled of ways) {
      for (const column of columns) {
        if (this.#proposals.has(column)) continue;
        const found = attributes.find(({ source, attribute }) =>
          isCalled(column, source, plainName(attribute))
        );
        if (found !== undefined) this.#addAttribute(column, found);
      }
    }
  }

  #addAttribute(
    column: string,
    { name, source, attribute, type }: {
      readonly name: string;
      readonly source: FeatureSource;
      readonly attribute: string;
      readonly type: AttributeType;
    },
  ): void {
    const other = this.#columnOf.get(name);
    if (other !== undefined) {
      this.#set(column, { kind: "ignored" }, `${name} is column ${other}`);
      return;
    }
    const reader = isRead(this.#input.schema, name) ? "the features" : "rules";
    this.#set(
      column,
      { kind: "attribute", source, attribute, type },
      `${reader} read ${name} as ${typeTexts[type]}`,
    );
  }

  #set(column: string, target: Target, because: string): void {
    this.#proposals.set(column, { target, because });
    if (target.kind !== "ignored") this.#columnOf.set(meaningOf(target), column);
  }
}

/** A target as `--map` names it. */
function meaningOf(target: Target): string {
  return target.kind === "role"
    ? target.role
    : target.kind === "ignored"
    ? "ignore"
    : `${target.source}.${target.attribute}`;
}

/** The source that a column's path names: `item` of `item.price`. */
function ownerOf(column: string): FeatureSource | undefined {
  const owner = column.toLowerCase();
  return (["item", "user", "context"] as const).find((source) => owner.startsWith(`${source}.`));
}

/** @param free The columns without a meaning. */
function missingRoles(
  roles: readonly Role[],
  free: readonly string[],
  { file, content, columns }: MappingInput,
): DatasetError {
  const several = roles.map((role) => ({ role, fields: fieldsOf(role, content, free) }))
    .find(({ fields }) => fields.length > 1);
  const texts = several === undefined ? roles.map((role) => roleTexts[role]).join(" or ") : "";
  const reason = several === undefined
    ? `no column is called like ${texts} (its columns are ${columns.join(", ")})`
    : `several columns are called like ${roleTexts[several.role]} (${several.fields.join(", ")})`;
  const named = (several === undefined ? roles : [several.role]).map((role) =>
    `--map '${several?.fields[0] ?? likelyColumn(role, free) ?? "<column>"}=${role}'`
  );
  const isList = content === "events" && roles.includes("item") &&
    columnCalled(lists, columns) !== undefined;
  return new DatasetError(
    file,
    1,
    `${reason}; name ${named.length > 1 ? "them" : "it"}: ${named.join(" ")}.${
      delimiterHint(columns)
    }${headerHint(columns)}` +
      (isList ? " An event is of one item: write a row for each item." : ""),
  );
}

/** Advice where a number among the names tells that the first line is a row; otherwise empty. */
function headerHint(columns: readonly string[]): string {
  const isNumber = (name: string) => name !== "" && Number.isFinite(Number(name));
  return columns.some(isNumber)
    ? " If the first line is values already, name the columns: --header user,item,time, and so on."
    : "";
}

const typeTexts: Readonly<Record<AttributeType, string>> = {
  text: "text",
  number: "a number",
  list: "a list",
  boolean: "true or false",
};

const typeOfRules: Readonly<Record<RuleType, AttributeType>> = {
  text: "text",
  label: "text",
  number: "number",
  texts: "list",
  boolean: "boolean",
};

/** The target that `--map` names, of a file of this content; undefined where it has none such. */
function typedTarget(
  text: string,
  content: FileContent,
  attributes: ReadonlyMap<string, AttributeType>,
): Target | undefined {
  if (text === "ignore") return { kind: "ignored" };
  const role = typedRole(text, content);
  if (role !== undefined) return { kind: "role", role };
  const source = sourcesOf[content].find((source) => text.startsWith(`${source}.`));
  const attribute = text.slice((source?.length ?? 0) + 1);
  if (source === undefined || attribute === "") return undefined;
  const type = attributes.get(text) ?? "text";
  return { kind: "attribute", source, attribute, type };
}

function noMeaning(text: string, column: string, { file, content }: MappingInput): DatasetError {
  const sources = sourcesOf[content].map((source) => `${source}.<attribute>`);
  return new DatasetError(
    file,
    undefined,
    `${shown(text)} is not a meaning of column ${shown(column)} in a file of ${content}; ` +
      `write one of ${[...rolesOf[content].all, ...sources, "ignore"].join(", ")}.`,
  );
}

/**
 * The attributes that features and rules read, as `source.attribute`, with their types. A declared
 * type precedes: a slot reads a number as a label too.
 */
function attributeTypes(
  schema: FeatureSchema,
  declared: AttributeTypes,
): Map<string, AttributeType> {
  const types = new Map<string, AttributeType>();
  for (const reader of [...schema.slots, ...schema.dense]) {
    if (!("attribute" in reader)) continue;
    const kind = "kind" in reader ? reader.kind : "numeric";
    const type = kind === "categorical" ? "text" : kind === "list" ? "list" : "number";
    types.set(`${reader.source}.${reader.attribute}`, type);
  }
  for (const owner of ["item", "user", "context"] as const) {
    for (const [name, type] of Object.entries(declared[owner])) {
      types.set(`${owner}.${name}`, typeOfRules[type]);
    }
  }
  return types;
}

/** Whether a feature reads the attribute `source.attribute`. */
function isRead({ slots, dense }: FeatureSchema, name: string): boolean {
  return [...slots, ...dense].some((reader) =>
    "attribute" in reader && `${reader.source}.${reader.attribute}` === name
  );
}

/** Warns where a file of events or rankings has no column for their times; otherwise empty. */
function describeMissingTime(content: FileContent, mapping: readonly MappedColumn[]): string {
  const hasTime = mapping.some(({ target }) => target.kind === "role" && target.role === "time");
  if (hasTime || !rolesOf[content].all.includes("time")) return "";
  const unread = mapping.filter(({ target }) => target.kind === "ignored");
  const likely = timesByLastWord(unread.map(({ column }) => column));
  const which = likely.length > 0 ? `${likely.join(" or ")} may be it. ` : "";
  return "  warning: no column is the time, so all rows are of one moment (1970-01-01) in the order " +
    `of the file: windows, features of the time and counts mean nothing. ${which}Name it: ` +
    `--map '${likely[0] ?? "<column>"}=time'.\n`;
}

/** The mapping as lines for a reader: column, meaning, reason; then a warning, if there is one. */
export function describeMapping(content: FileContent, mapping: readonly MappedColumn[]): string {
  const rows = mapping.map(({ column, target, separator, because }) => {
    const split = `, split at ${JSON.stringify(separator)}`;
    const meaning = target.kind === "role"
      ? roleTexts[target.role] + (content === "impressions" && target.role === "item" ? split : "")
      : target.kind === "ignored"
      ? "not read"
      : `${target.source}.${target.attribute}${target.type === "list" ? split : ""}`;
    return [column, meaning, because];
  });
  const widths = [0, 1].map((i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map(([column, meaning, because]) =>
    `  ${column.padEnd(widths[0])}  ${meaning.padEnd(widths[1])}  (${because})\n`
  ).join("") + describeMissingTime(content, mapping);
}
