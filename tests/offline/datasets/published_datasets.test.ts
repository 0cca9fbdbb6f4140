/**
 * The published files themselves, which are no part of this repository: run with CAIRN_DATA set to
 * their folder, or put them in data/.
 */
import assert from "node:assert/strict";
import { readInteractions } from "../../../offline/datasets/interaction_table.ts";
import { openDataset } from "../../../offline/datasets/open_dataset.ts";

const root = Deno.env.get("CAIRN_DATA") ?? "data";

function published(
  folder: string,
  name: string,
  test: (path: string) => Promise<void>,
): void {
  const path = `${root}/${folder}`;
  const there = exists(path);
  if (!there) {
    console.log(
      `skipped: ${name} (there is no folder ${path}; set CAIRN_DATA to the one that holds ${folder}/)`,
    );
  }
  Deno.test({ name, ignore: !there, fn: () => test(path) });
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

published("movietweetings", "MovieTweetings has its published counts", async (path) => {
  const dataset = await openDataset({ kind: "movietweetings", path });
  const table = await readInteractions(dataset);
  assert.deepEqual([table.rows, table.users.length, table.items.length], [100_000, 16_554, 10_506]);
  assert.equal(new Date(table.atMs[0]).toISOString().slice(0, 10), "2013-02-28");
  assert.equal(new Date(table.atMs.at(-1)!).toISOString().slice(0, 10), "2013-09-01");
  assert.ok(table.items.every((id) => dataset.items.has(id)));
});

published("ml-latest-small", "MovieLens latest-small has its published counts", async (path) => {
  const dataset = await openDataset({ kind: "movielens", path });
  const table = await readInteractions(dataset);
  assert.deepEqual([table.rows, table.users.length, table.items.length], [100_836, 610, 9_724]);
  assert.deepEqual(dataset.items.get("1")?.year, 1995);
});
