/**
 * Small tables of labelled examples, as public benchmarks of click prediction are published, and
 * the command that reads them.
 */
import { SeededRandom } from "../../../../mesh/simulation/seeded_random.ts";
import { runCaptured } from "../../captured_command.ts";

export const train = (...args: string[]) => runCaptured("train", "--dataset=csv", ...args);

/**
 * Labels depend on two groups that no column names: positive where the site's and the app's group
 * are the same. The site alone and the app alone predict nothing; `weather` neither. One label
 * in twenty is turned around.
 */
export function table(rows: number, seed: number, header = "label,site,app,weather"): string {
  const draws = new SeededRandom(seed).stream("rows");
  const pick = (below: number) => Math.floor(draws.nextFloat() * below);
  const lines = Array.from({ length: rows }, () => {
    const [site, app] = [pick(20), pick(20)];
    const label = (site % 2 === app % 2) !== (pick(20) === 0) ? 1 : 0;
    return `${label},s${site},a${app},${["sun", "rain"][pick(2)]}`;
  });
  return [header, ...lines].join("\n") + "\n";
}

export async function withFiles<T>(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "cairn-table-" });
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

export const small = ["--set=trainer.batchRows=128", "--set=trainer.threads=1", "--json"];
export const smallDeep = [
  ...small,
  "--set=model.hidden=[16]",
  "--set=model.embeddingDim=8",
  "--set=embeddings.slices.embeddings.optimizer.learningRate=0.02",
];
