/**
 * MovieLens in all its published forms: `ratings.csv` with `movies.csv` (20M, 25M, latest),
 * `ratings.dat` with `movies.dat` and `users.dat` (1M, 10M), `u.data` with `u.item` and `u.user`
 * (100K).
 *
 * @see Harper and Konstan, "The MovieLens Datasets: History and Context", 2015
 */
import { join } from "node:path";
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import { readCsvInteractions, readCsvRows } from "./csv.ts";
import type { Dataset, InteractionChunk } from "./dataset.ts";
import { readFields, readRatings } from "./delimited.ts";
import { DatasetError } from "./errors.ts";
import { movieAttributes } from "./movie_attributes.ts";

type Attributes = Map<string, FeatureAttributes>;

interface Form {
  readonly ratings: string;
  readItems(folder: string): Promise<Attributes>;
  readUsers(folder: string): Promise<Attributes>;
  interactions(file: string): AsyncIterable<InteractionChunk>;
}

/** @param folder As unpacked from the published archive. */
export async function openMovieLens(folder: string): Promise<Dataset> {
  for (const form of forms) {
    const file = join(folder, form.ratings);
    if (!await exists(file)) continue;
    return {
      name: "movielens",
      action: "rating",
      users: await form.readUsers(folder),
      items: await form.readItems(folder),
      interactions: () => form.interactions(file),
    };
  }
  throw new DatasetError(
    folder,
    undefined,
    `there is none of ${forms.map(({ ratings }) => ratings).join(", ")} in it; ` +
      "give the folder that the MovieLens archive unpacks to.",
  );
}

const forms: readonly Form[] = [
  {
    ratings: "ratings.csv",
    interactions: (file) => readCsvInteractions(file, {}),
    readUsers: () => Promise.resolve(new Map()),
    async readItems(folder) {
      const items: Attributes = new Map();
      const file = join(folder, "movies.csv");
      if (!await exists(file)) return items;
      let indices: readonly number[] | undefined;
      for await (const { line, cells } of readCsvRows(file)) {
        if (indices !== undefined) {
          const [id, title, genres] = indices.map((index) => cells[index] ?? "");
          items.set(id, movieAttributes(title, genres));
          continue;
        }
        if (!cells.includes("movieId")) {
          throw new DatasetError(file, line, "it has no column movieId.");
        }
        indices = ["movieId", "title", "genres"].map((name) => cells.indexOf(name));
      }
      return items;
    },
  },
  {
    ratings: "ratings.dat",
    interactions: (file) => readRatings(file, "::"),
    readItems: (folder) =>
      readTable(
        join(folder, "movies.dat"),
        "::",
        (fields) => movieAttributes(fields[1], fields[2] ?? ""),
      ),
    readUsers: (folder) =>
      readTable(join(folder, "users.dat"), "::", ([, gender, age, occupation]) => ({
        gender,
        ...(age === undefined ? {} : { age: Number(age) }),
        ...(occupation === undefined ? {} : { occupation }),
      })),
  },
  {
    ratings: "u.data",
    interactions: (file) => readRatings(file, "\t"),
    readItems: async (folder) => {
      const genres: string[] = [];
      const list = join(folder, "u.genre");
      if (await exists(list)) {
        for await (const { fields } of readFields(list, "|", 1)) genres.push(fields[0]);
      }
      return readTable(join(folder, "u.item"), "|", (fields) => {
        const own = genres.filter((name, i) => name !== "unknown" && fields[5 + i] === "1");
        return movieAttributes(fields[1], own.join("|"));
      });
    },
    readUsers: (folder) =>
      readTable(join(folder, "u.user"), "|", ([, age, gender, occupation]) => ({
        age: Number(age),
        gender,
        occupation,
      })),
  },
];

/** Attributes by the first field; the 1990s' files are Latin-1. Empty where the file is missing. */
async function readTable(
  file: string,
  separator: string,
  attributes: (fields: readonly string[]) => FeatureAttributes,
): Promise<Attributes> {
  const table: Attributes = new Map();
  if (!await exists(file)) return table;
  for await (const { fields } of readFields(file, separator, 2, "latin1")) {
    table.set(fields[0], attributes(fields));
  }
  return table;
}

async function exists(file: string): Promise<boolean> {
  try {
    return (await Deno.stat(file)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
