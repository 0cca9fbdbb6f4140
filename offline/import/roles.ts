/**
 * The roles that columns of a file of history may have, and the names by which they are found.
 */
import { columnCalled, lastPart, plainName } from "../datasets/columns.ts";
import { isOfRowList } from "./object_fields.ts";
import { halfOfTime, timeOfActions } from "./time_columns.ts";

/** Content of a file. */
export type FileContent = "items" | "users" | "impressions" | "events";

export type Role =
  | "id"
  | "user"
  | "item"
  | "time"
  | "day"
  | "action"
  | "value"
  | "ranking"
  | "visit"
  | "event";

/** Roles of each content, and those that a file must have. */
export const rolesOf: Readonly<
  Record<FileContent, { readonly all: Role[]; readonly needed: Role[] }>
> = {
  items: { all: ["id"], needed: ["id"] },
  users: { all: ["id"], needed: ["id"] },
  impressions: {
    all: ["ranking", "user", "item", "time", "day"],
    needed: ["ranking", "user", "item"],
  },
  events: {
    all: ["user", "item", "time", "day", "action", "value", "ranking", "visit", "event"],
    needed: ["user", "item"],
  },
};

/** The content of a role's column, for messages. */
export const roleTexts: Readonly<Record<Role, string>> = {
  id: "the id",
  user: "the user",
  item: "the item",
  time: "the time",
  day: "the day, where the time is one of day",
  action: "the action",
  value: "the value of the action",
  ranking: "the ranking that showed the item",
  visit: "the visit: rows of one visit are learned from together",
  event: "the id of the event",
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
/** Names of ids come first: `Item #` beside `SKU` is the number of a line of the order. */
const items = [
  "itemid",
  "movieid",
  "productid",
  "productcode",
  "productsku",
  "sku",
  "lineitemsku",
  "stockcode",
  "articleid",
  "articleno",
  "item",
  "movie",
  "product",
  "article",
];
/** Names of the time of a row. Things have a `date` and a `created_at` too. */
const times = [
  "eventtime",
  "eventtimestamp",
  "timestamp",
  "datetime",
  "ts",
  "orderdate",
  "invoicedate",
  "time",
];
/** Names of the items of a ranking. */
export const lists = ["itemids", "items", "productids", "products"];

/**
 * Usual names, compared by their letters and digits, without case. Of two columns with usual names,
 * the one whose name comes first here has the role.
 */
const usualNames: Readonly<Record<Exclude<Role, "id">, readonly string[]>> = {
  user: users,
  item: items,
  time: [...times, "date", "createdat", "created", "datecreatedgmt", "datecreated", "atms", "at"],
  day: [], // found beside the time
  action: ["action", "eventtype", "eventname", "event", "feedbacktype", "interaction", "type"],
  value: [
    "eventvalue",
    "value",
    "rating",
    "score",
    "quantity",
    "qty",
    "lineitemquantity",
    "quantityrefund",
    "amount",
  ],
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

/**
 * The column that is called like the role.
 *
 * @param time The column of the time, beside which the one of the day is.
 */
export function columnOfRole(
  role: Role,
  content: FileContent,
  columns: readonly string[],
  time?: string,
): string | undefined {
  if (role === "day") return time && halfOfTime("date", time, columns);
  const found = columnOfName(role, content, columns);
  return found && role === "time" ? halfOfTime("time", found, columns) ?? found : found;
}

function columnOfName(
  role: Role,
  content: FileContent,
  columns: readonly string[],
): string | undefined {
  const [only, ...others] = fieldsOf(role, content, columns);
  return columnCalled(namesOf(role, content), columns) ??
    (role === "time" ? timeOfActions(columns) : undefined) ??
    (others.length === 0 ? only : undefined);
}

/**
 * The fields of objects that are called like the role, such as `properties.product_id`: those with
 * the first of its names that any field has. Other roles are not found so: `device.type` says no
 * action.
 */
export function fieldsOf(role: Role, content: FileContent, columns: readonly string[]): string[] {
  const mayHave = fieldsWithRole[role];
  if (mayHave === undefined) return [];
  const names = role === "time" ? times : namesOf(role, content);
  const byName = Map.groupBy(columns.filter(mayHave), (column) => plainName(lastPart(column)));
  return names.map((name) => byName.get(name)).find((found) => found !== undefined) ?? [];
}

/** Columns that may have a role by the last part of their path. */
const fieldsWithRole: Partial<Record<Role, (column: string) => boolean>> = {
  user: () => true,
  item: () => true,
  // The time of a user or an item, or when a thing was created, is a property of it.
  time: (column) => !isOfUserOrItem(column),
  value: isOfRowList,
  event: () => true,
};

function isOfUserOrItem(column: string): boolean {
  const objects = column.split(".").slice(0, -1).map(plainName);
  return objects.some((name) => users.includes(name) || items.includes(name));
}

/** Words of columns that may have a role which none is called like; the most likely first. */
const likelyWords: Partial<Record<Role, readonly string[]>> = {
  user: ["email", "customer", "user", "client", "buyer", "member", "account", "visitor"],
  item: ["sku", "product", "item", "article"],
};

/** The column that may have the role. */
export function likelyColumn(role: Role, columns: readonly string[]): string | undefined {
  if (columns.length === 1) return undefined;
  const words = (column: string) => column.toLowerCase().split(/[^a-z]+/);
  return likelyWords[role]?.map((word) => columns.find((column) => words(column).includes(word)))
    .find((column) => column !== undefined);
}

/** The usual names of a role; the id of a file of items or users is also called like its owner. */
function namesOf(role: Role, content: FileContent): readonly string[] {
  if (role === "item" && content === "impressions") return [...items, ...lists];
  return role === "id" ? ["id", ...(content === "users" ? users : items)] : usualNames[role];
}

/** The role that `--map` names: `item` is the id in a file of items, and `user` in one of users. */
export function typedRole(text: string, content: FileContent): Role | undefined {
  if (text === "item" && content === "items" || text === "user" && content === "users") return "id";
  return rolesOf[content].all.find((role) => role === text);
}
