/**
 * The meaning of each column of a file of history: a role, an attribute that features read, or
 * none. Proposed from names, changed by `--map`, with the reason for each column.
 */
import type { FeatureSchema, FeatureSource } from "../../kernels/features/schema.ts";
import type { AttributeType as RuleType, AttributeTypes } from "../../rules/attribute_types.ts";
import { delimiterHint, plainName, timeColumn, timeColumns } from "../datasets/columns.ts";
import { DatasetError, shown } from "../datasets/errors.ts";

/** Content of a file. */
export type FileContent = "items" | "users" | "impressions" | "events";

export type Role =
  | "id"
  | "user"
  | "item"
  | "time"
  | "action"
  | "value"
  | "ranking"
  | "visit"
  | "event";

export type AttributeType = "text" | "number" | "list" | "boolean";

export type Target =
  | { readonly kind: "role"; readonly role: Role }
  | {
    readonly kind: "attribute";
    readonly source: FeatureSource;
    readonly attribute: string;
    readonly type: AttributeType;
    /** Between two values of a list that is one text. */
    readonly separator: string;
  }
  | { readonly kind: "ignored" };

export interface MappedColumn {
  readonly column: string;
  /** Index in the rows. */
  readonly index: number;
  readonly target: Target;
  /** The reason, as part of a sentence. */
  readonly because: string;
}

/** Roles of each content, and those that a file must have. */
const rolesOf: Readonly<Record<FileContent, { readonly all: Role[]; readonly needed: Role[] }>> = {
  items: { all: ["id"], needed: ["id"] },
  users: { all: ["id"], needed: ["id"] },
  impressions: { all: ["ranking", "user", "item", "time"], needed: ["ranking", "user", "item"] },
  events: {
    all: ["user", "item", "time", "action", "value", "ranking", "visit", "event"],
    needed: ["user", "item"],
  },
};

/** Sources of the attributes that a file of each content may hold. */
const sourcesOf: Readonly<Record<FileContent, readonly FeatureSource[]>> = {
  items: ["item"],
  users: ["user"],
  impressions: ["context", "user"],
  events: ["item", "user", "context"],
};

const users = [
  "user",
  "userid",
  "userpseudoid",
  "customer",
  "customerid",
  "customerno",
  "visitor",
  "visitorid",
  "uid",
  "client",
  "clientid",
  "buyer",
  "buyerid",
];
const items = [
  "item",
  "itemid",
  "itemids",
  "items",
  "movie",
  "movieid",
  "product",
  "productid",
  "productids",
  "products",
  "productcode",
  "productsku",
  "sku",
  "stockcode",
  "article",
  "articleid",
  "articleno",
];

/** Usual names, compared by their letters and digits, without case. */
const usualNames: Readonly<Record<Exclude<Role, "time" | "id">, readonly string[]>> = {
  user: users,
  item: items,
  action: ["action", "event", "eventname", "eventtype", "feedbacktype", "interaction", "type"],
  value: ["value", "eventvalue", "rating", "score", "quantity", "qty", "amount"],
  ranking: ["ranking", "rankingid", "recommendationid", "recommid", "impressionid"],
  visit: [
    "visit",
    "visitid",
    "order",
    "orderid",
    "orderno",
    "ordernumber",
    "invoice",
    "invoiceno",
    "basket",
    "transactionid",
  ],
  event: ["eventid"],
};

/** The column that is called like the role. */
function columnOf(role: Role, content: FileContent, columns: string[]): string | undefined {
  if (role === "time") return timeColumn(columns);
  const usual = namesOf(role, content);
  return columns.find((name) => usual.includes(plainName(name))) ??
    columns.find((name) => usual.includes(plainName(lastPart(name))));
}

/** The name of a field within an object: `price` of `properties.price`. */
function lastPart(column: string): string {
  return column.slice(column.lastIndexOf(".") + 1);
}

/** The usual names of a role; the id of a file of items or users is also called like its owner. */
function namesOf(role: Exclude<Role, "time">, content: FileContent): readonly string[] {
  return role === "id" ? ["id", ...(content === "users" ? users : items)] : usualNames[role];
}

/** The content of a role's column, for messages. */
const roleTexts: Readonly<Record<Role, string>> = {
  id: "the id",
  user: "the user",
  item: "the item",
  time: "the time",
  action: "the action",
  value: "the value of the action",
  ranking: "the ranking that showed the item",
  visit: "the visit: rows of one visit are learned from together",
  event: "the id of the event",
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
}

/**
 * The mapping of a file's columns.
 *
 * @throws {DatasetError} When a typed target is unknown, or a needed role has no column.
 */
export function proposeMapping(input: MappingInput): MappedColumn[] {
  const { file, content, columns, typed } = input;
  const attributes = attributeTypes(input.schema, input.declared);
  const taken = new Set<Role>();
  const targets = new Map<string, { target: Target; because: string }>();
  for (const column of columns) {
    const text = typed.targets.get(column);
    if (text === undefined) continue;
    const target = typedTarget(text, column, input, attributes);
    if (target.kind === "role") taken.add(target.role);
    targets.set(column, { target, because: "as --map says" });
  }
  for (const role of rolesOf[content].all) {
    if (taken.has(role)) continue;
    const free = columns.filter((name) => !targets.has(name));
    const column = columnOf(role, content, free);
    if (column === undefined) continue;
    taken.add(role);
    targets.set(column, { target: { kind: "role", role }, because: "by its name" });
  }
  requireRoles(input, taken);
  return columns.map((column, index) => {
    const found = targets.get(column) ?? proposedAttribute(column, input, attributes);
    return { column, index, ...found };
  }).map((mapped) => {
    const typedSeparator = typed.separators.get(mapped.column);
    if (typedSeparator === undefined || mapped.target.kind !== "attribute") return mapped;
    return { ...mapped, target: { ...mapped.target, separator: typedSeparator } };
  });

  function requireRoles({ content }: MappingInput, taken: ReadonlySet<Role>): void {
    const missing = rolesOf[content].needed.find((role) => !taken.has(role));
    if (missing === undefined) return;
    throw new DatasetError(
      file,
      1,
      `no column is called like ${roleTexts[missing]} (its columns are ${columns.join(", ")}); ` +
        `name it: --map '<column>=${missing}'.${delimiterHint(columns)}${headerHint(columns)}`,
    );
  }
}

/** Advice where a number among the names tells that the first line is a row; otherwise empty. */
function headerHint(columns: readonly string[]): string {
  const isNumber = (name: string) => name !== "" && Number.isFinite(Number(name));
  return columns.some(isNumber)
    ? " If the first line is values already, name the columns: --header user,item,time, and so on."
    : "";
}

function proposedAttribute(
  column: string,
  { content, columns, schema }: MappingInput,
  attributes: ReadonlyMap<string, AttributeType>,
): { target: Target; because: string } {
  const isCalled = (attribute: string) => {
    const name = plainName(attribute);
    return name === plainName(column) ||
      name === plainName(lastPart(column)) && !columns.some((other) => name === plainName(other));
  };
  for (const source of sourcesOf[content]) {
    for (const [name, type] of attributes) {
      const attribute = name.slice(source.length + 1);
      if (!name.startsWith(`${source}.`) || !isCalled(attribute)) continue;
      return {
        target: { kind: "attribute", source, attribute, type, separator: LIST_SEPARATOR },
        because: `${isRead(schema, name) ? "the features" : "rules"} read ${name} as ${
          typeTexts[type]
        }`,
      };
    }
  }
  return {
    target: { kind: "ignored" },
    because: "no feature or rule reads an attribute of that name",
  };
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

function typedTarget(
  text: string,
  column: string,
  { file, content, typed }: MappingInput,
  attributes: ReadonlyMap<string, AttributeType>,
): Target {
  if (text === "ignore") return { kind: "ignored" };
  const role = rolesOf[content].all.find((role) => role === text);
  if (role !== undefined) return { kind: "role", role };
  const [, source, attribute] = /^(item|user|context)\.(.+)$/.exec(text) ?? [];
  if (attribute !== undefined && sourcesOf[content].includes(source as FeatureSource)) {
    return {
      kind: "attribute",
      source: source as FeatureSource,
      attribute,
      type: attributes.get(text) ?? "text",
      separator: typed.separators.get(column) ?? LIST_SEPARATOR,
    };
  }
  const sources = sourcesOf[content].map((source) => `${source}.<attribute>`);
  throw new DatasetError(
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
export function attributeTypes(
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
  const likely = timeColumns(unread.map(({ column }) => column));
  const which = likely.length > 0 ? `${likely.join(" or ")} may be it. ` : "";
  return "  warning: no column is the time, so all rows are of one moment (1970-01-01) in the order " +
    `of the file: windows, features of the time and counts mean nothing. ${which}Name it: ` +
    `--map '${likely[0] ?? "<column>"}=time'.\n`;
}

/** The mapping as lines for a reader: column, meaning, reason; then a warning, if there is one. */
export function describeMapping(content: FileContent, mapping: readonly MappedColumn[]): string {
  const rows = mapping.map(({ column, target, because }) => [
    column,
    target.kind === "role"
      ? roleTexts[target.role]
      : target.kind === "ignored"
      ? "not read"
      : `${target.source}.${target.attribute}` +
        (target.type === "list" ? `, split at ${JSON.stringify(target.separator)}` : ""),
    because,
  ]);
  const widths = [0, 1].map((i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map(([column, meaning, because]) =>
    `  ${column.padEnd(widths[0])}  ${meaning.padEnd(widths[1])}  (${because})\n`
  ).join("") + describeMissingTime(content, mapping);
}
