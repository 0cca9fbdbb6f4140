/**
 * The profiles that a dataset implies: attributes by id, and the newest attributes of its rows.
 */
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import type { Dataset } from "./dataset.ts";

export interface DatasetProfiles {
  readonly user: ReadonlyMap<string, FeatureAttributes>;
  readonly item: ReadonlyMap<string, FeatureAttributes>;
}

/**
 * Reads the dataset once. Attributes of a later row replace the ones of an earlier row.
 *
 * @throws {DatasetError} On a line that cannot be read.
 */
export async function profilesOf(dataset: Dataset): Promise<DatasetProfiles> {
  const user = new Map(dataset.users);
  const item = new Map(dataset.items);
  const newest = { user: new Map<string, number>(), item: new Map<string, number>() };
  const note = (
    kind: "user" | "item",
    id: string,
    attributes: FeatureAttributes | undefined,
    atMs: number,
  ) => {
    if (id === "" || attributes === undefined || atMs < (newest[kind].get(id) ?? 0)) return;
    newest[kind].set(id, atMs);
    (kind === "user" ? user : item).set(id, attributes);
  };
  for await (const { users, items, atMs, fields } of dataset.interactions()) {
    fields?.forEach((row, i) => {
      note("user", users[i], row.user, atMs[i]);
      note("item", items[i], row.item, atMs[i]);
    });
  }
  return { user, item };
}
