/**
 * A small made dataset in MovieTweetings' format: two kinds of people, two kinds of films, and
 * ratings that follow.
 */
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";

export interface SmallDataset {
  readonly folder: string;
  readonly ratings: number;
  remove(): Promise<void>;
}

/** Writes the files to a temporary folder. */
export async function writeSmallDataset(ratings: number): Promise<SmallDataset> {
  const folder = await Deno.makeTempDir({ prefix: "cairn-dataset-" });
  const movies = Array.from(
    { length: 40 },
    (_, item) =>
      `${item}::Film ${item} (${1990 + item % 20})::${item % 2 === 0 ? "Comedy" : "Drama|Crime"}`,
  );
  // Every rating in ten goes against the taste, so that nothing is perfectly predictable.
  const draws = new SeededRandom(5).stream("ratings");
  const pick = (below: number) => Math.floor(draws.nextFloat() * below);
  const lines = Array.from({ length: ratings }, (_, i) => {
    const [user, item] = [pick(30), pick(40)];
    const likes = (user % 2 === item % 2) !== (pick(10) === 0);
    return `${user}::${item}::${likes ? 9 : 4}::${1_400_000_000 + i * 60}`;
  });
  await Deno.writeTextFile(`${folder}/movies.dat`, movies.join("\n") + "\n");
  // Newest first: readers must sort by time themselves.
  await Deno.writeTextFile(`${folder}/ratings.dat`, lines.reverse().join("\n") + "\n");
  return { folder, ratings, remove: () => Deno.remove(folder, { recursive: true }) };
}
