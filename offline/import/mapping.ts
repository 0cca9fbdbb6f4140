/**
 * The meaning of each column of a file of history: a role, an attribute that features read, or
 * none. Proposed from names, changed by `--map`, with the reason for each column.
 */
import type { FeatureSchema, FeatureSource } from "../../kernels/features/schema.ts";
import type { AttributeType as RuleType, AttributeTypes } from "../../rules/attribute_types.ts";
import { columnCalled, delimiterHint, plainName } from "../datasets/columns.ts";
import { DatasetError, shown } from "../datasets/errors.ts";
import { timeOfActions, timesByLastWord } from "./time_columns.ts";

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
  "userid",
  "userpseudoid",
  "user",
  "customerid",
  "customerno",
  "customer",
  "visitorid",
  "visitor",
  "buyerid",
  "buyer",
  "uid",
  "clientid",
  "client",
];
const items = [
  "itemid",
  "item",
  "movieid",
  "movie",
  "productid",
  "productcode",
  "productsku",
  "product",
  "sku",
  "stockcode",
  "articleid",
  "articleno",
  "article",
];
/** Names of the items of a ranking. */
const lists = ["itemids", "items", "productids", "products"];

/**
 * Usual names, compared by their letters and digits, without case. Of two columns with usual names,
 * the one whose name comes first here has the role.
 */
const usualNames: Readonly<Record<Exclude<Role, "id">, readonly string[]>> = {
  user: users,
  item: items,
  time: [
    "eventtime",
    "timestamp",
    "datetime",
    "ts",
    "orderdate",
    "invoicedate",
    "time",
    "date",
    "createdat",
    "created",
    "atms",
    "at",
  ],
  action: ["action", "eventtype", "eventname", "event", "feedbacktype", "interaction", "type"],
  value: ["eventvalue", "value", "rating", "score", "quantity", "qty", "amount"],
  ranking: ["rankingid", "ranking", "recommendationid", "recommid", "impressionid"],
  visit: [
    "visitid",
    "visit",
    "orderid",
    "orderno",
    "ordernumber",
    "order",
    "invoiceno",
    "invoice",
    "basket",
    "transactionid",
  ],
  event: ["eventid"],
};

/** Roles of a field such as `properties.product_id`: `device.type` says no action. */
const rolesOfFields: readonly Role[] = ["user", "item", "time", "event"];

/** The column that is called like the role. */
function columnOf(role: Role, content: FileContent, columns: string[]): string | undefined {
  const names = namesOf(role, content);
  const found = columnCalled(names, columns) ??
    (role === "time" ? timeOfActions(columns) : undefined);
  if (found !== undefined || !rolesOfFields.includes(role)) return found;
  // The time of a user or an item is a property of it, such as when it was added.
  const fields = role === "time" ? columns.filter((name) => !isOfUserOrItem(name)) : columns;
  return columnCalled(names, fields, (name) => plainName(lastPart(name)));
}

function isOfUserOrItem(column: string): boolean {
  const objects = column.split(".").slice(0, -1).map(plainName);
  return objects.some((name) => users.includes(name) || items.includes(name));
}

/** The name of a field within an object: `price` of `properties.price`. */
function lastPart(column: string): string {
  return column.slice(column.lastIndexOf(".") + 1);
}

/** The usual names of a role; the id of a file of items or users is also called like its owner. */
function namesOf(role: Role, content: FileContent): readonly string[] {
  if (role === "item" && content === "impressions") return [...items, ...lists];
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
        `name it: --map '<column>=${missing}'.${delimiterHint(columns)}${headerHint(columns)}` +
        (content === "events" && missing === "item" && columnCalled(lists, columns) !== undefined
          ? " An event is of one item: write a row for each item."
          : ""),
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
  { content, columns, schema, typed }: MappingInput,
  attributes: ReadonlyMap<string, AttributeType>,
): { target: Target; because: string } {
  const last = plainName(lastPart(column));
  const isOnly = columns.filter((other) => plainName(lastPart(other)) === last).length === 1;
  const isTyped = (name: string) => [...typed.targets.values()].includes(name);
  const [owner] = column.toLowerCase().split(".", 1);
  const isOfOther = (source: FeatureSource) =>
    owner !== source && /^(item|user|context)$/.test(owner) && column.includes(".");
  // The whole path first, then the name, then the last part of the path.
  const ways: ((source: FeatureSource, attribute: string) => boolean)[] = [
    (source, attribute) =>
      owner === source && plainName(column.slice(source.length + 1)) === plainName(attribute),
    (_, attribute) => plainName(column) === plainName(attribute),
    (source, attribute) =>
      last === plainName(attribute) && isOnly && !isOfOther(source) &&
      !isTyped(`${source}.${attribute}`),
  ];
  for (const isCalled of ways) {
    for (const source of sourcesOf[content]) {
      for (const [name, type] of attributes) {
        const attribute = name.slice(source.length + 1);
        if (!name.startsWith(`${source}.`) || !isCalled(source, attribute)) continue;
        return {
          target: { kind: "attribute", source, attribute, type, separator: LIST_SEPARATOR },
          because: `${isRead(schema, name) ? "the features" : "rules"} read ${name} as ${
            typeTexts[type]
          }`,
        };
      }
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
  const likely = timesByLastWord(unread.map(({ column }) => column));
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
