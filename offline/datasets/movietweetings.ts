/**
 * MovieTweetings: ratings from 0 to 10 that people tweeted, of films named by their IMDb number.
 *
 * `ratings.dat` is `user::item::rating::unix seconds`, `movies.dat` is `item::Title
 * (year)::Genre|Genre`.
 *
 * @see Dooms, De Pessemier and Martens, "MovieTweetings: a Movie Rating Dataset Collected From
 * Twitter", 2013
 */
import { join } from "node:path";
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import type { Dataset } from "./dataset.ts";
import { readFields, readRatings } from "./delimited.ts";
import { movieAttributes } from "./movie_attributes.ts";

/** @param folder Holds `ratings.dat` and `movies.dat`. */
export async function openMovieTweetings(folder: string): Promise<Dataset> {
  const items = new Map<string, FeatureAttributes>();
  for await (const { fields } of readFields(join(folder, "movies.dat"), "::", 2)) {
    items.set(fields[0], movieAttributes(fields[1], fields[2] ?? ""));
  }
  return {
    name: "movietweetings",
    action: "rating",
    users: new Map(),
    items,
    interactions: () => readRatings(join(folder, "ratings.dat"), "::"),
  };
}
