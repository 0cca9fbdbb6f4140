/**
 * Turns the lines of `deno task bench:training --json` into the training part of
 * docs/performance/benchmarks.md and its chart.
 *
 *     deno run -A scripts/report_training_bench.ts <lines.jsonl> […]
 *
 * Where two files measured the same shape, the later file wins. Only the text between the two
 * markers is replaced.
 */
import { machine, replaceSection } from "./benchmark_page.ts";

const CHART = new URL("../docs/performance/training_step.svg", import.meta.url);
const MARKERS = {
  begin: "<!-- training: begin, written by scripts/report_training_bench.ts -->",
  end: "<!-- training: end -->",
};
const OURS = "#b8432f", PEER = "#8a9ba8";
/** The model that has a peer, and the batch size at which models are compared. */
const MODEL = "deepfm", BATCH = 4096;

/** Display names, as in the papers. */
const NAMES: Readonly<Record<string, string>> = {
  logisticregression: "Logistic regression",
  factorizationmachine: "FM",
  wideanddeep: "Wide & Deep",
  deepfm: "DeepFM",
  dcnv2: "DCN-v2",
  finalnet: "FinalNet",
  dlrm: "DLRM",
  mmoe: "MMoE",
};

interface Line {
  readonly model: string;
  readonly batch: number;
  readonly examplesPerSecond: number;
  readonly pytorch: number | null;
  readonly ratio: number | null;
  readonly pytorchVersion: string | null;
}

async function readLines(paths: readonly string[]): Promise<Line[]> {
  const byShape = new Map<string, Line>();
  for (const path of paths) {
    for (const text of (await Deno.readTextFile(path)).trim().split("\n")) {
      const line: Line = JSON.parse(text);
      byShape.set(`${line.model} ${line.batch}`, line);
    }
  }
  return [...byShape.values()].sort((a, b) => a.batch - b.batch);
}

const thousands = (rate: number) => Math.round(rate).toLocaleString("en");

function batchTable(lines: readonly Line[]): string {
  const version = lines.find(({ pytorchVersion }) => pytorchVersion !== null)?.pytorchVersion;
  const rows = lines.map(({ batch, examplesPerSecond, pytorch, ratio }) =>
    `| ${batch} | ${thousands(examplesPerSecond)} | ${
      pytorch === null ? "–" : thousands(pytorch)
    } | ${ratio === null ? "–" : `${ratio.toFixed(2)} ×`} |`
  );
  const peer = version === undefined ? "PyTorch" : `PyTorch ${version}`;
  return `| batch | Cairn, examples/s | ${peer}, examples/s | ratio |
| --: | --: | --: | --: |
${rows.join("\n")}`;
}

/** One row per model, one column per batch size. */
function modelTable(lines: readonly Line[]): string {
  const sizes = [
    ...new Set(lines.filter(({ model }) => model !== MODEL).map(({ batch }) => batch)),
  ];
  const rateOf = (model: string, batch: number) => {
    const line = lines.find((line) => line.model === model && line.batch === batch);
    return line === undefined ? "–" : thousands(line.examplesPerSecond);
  };
  const rows = Object.entries(NAMES).map(([model, name]) =>
    `| ${name} | ${sizes.map((batch) => rateOf(model, batch)).join(" | ")} |`
  );
  return `| model | ${sizes.map((batch) => `batch ${batch}, examples/s`).join(" | ")} |
| :-- |${" --: |".repeat(sizes.length)}
${rows.join("\n")}`;
}

interface Bar {
  readonly label: string;
  readonly values: readonly (readonly [rate: number, colour: string])[];
}

/** Grouped bars under a title, from `left`; the tallest bar is 190 high. */
function bars(left: number, title: string, groups: readonly Bar[], groupWidth: number): string {
  const top = Math.max(...groups.flatMap(({ values }) => values.map(([rate]) => rate)));
  const drawn = groups.map(({ label, values }, group) => {
    const from = left + group * groupWidth;
    const width = (groupWidth - 14) / values.length;
    const rects = values.map(([rate, colour], index) => {
      const height = 190 * rate / top;
      const x = from + index * width;
      return `<rect x="${x}" y="${250 - height}" width="${
        width - 3
      }" height="${height}" fill="${colour}"/>` +
        `<text x="${x + (width - 3) / 2}" y="${245 - height}" text-anchor="middle">${
          (rate / 1000).toFixed(rate < 9_950 ? 1 : 0)
        }</text>`;
    });
    const middle = from + (groupWidth - 14) / 2;
    return rects.join("") + `<text x="${middle}" y="268" text-anchor="middle">${label}</text>`;
  });
  return `<text x="${left}" y="24" font-size="14">${title}</text>\n${drawn.join("\n")}`;
}

function chart(byBatch: readonly Line[], byModel: readonly Line[]): string {
  const sizes = byBatch.map(({ batch, examplesPerSecond, pytorch }): Bar => ({
    label: String(batch),
    values: [[examplesPerSecond, OURS], ...(pytorch === null ? [] : [[pytorch, PEER] as const])],
  }));
  const models = byModel.map(({ model, examplesPerSecond }): Bar => ({
    label: NAMES[model].replace("&", "&amp;"),
    values: [[examplesPerSecond, OURS]],
  }));
  const second = 70 + sizes.length * 78;
  const width = second + models.length * 110 + 10;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} 310" font-family="sans-serif" font-size="11">
<rect width="${width}" height="310" fill="#ffffff"/>
${bars(30, "DeepFM by batch size, thousand examples/s", sizes, 78)}
${bars(second, `By model, batch ${BATCH}, thousand examples/s`, models, 110)}
<rect x="30" y="284" width="12" height="12" fill="${OURS}"/><text x="48" y="294">Cairn</text>
<rect x="110" y="284" width="12" height="12" fill="${PEER}"/><text x="128" y="294">PyTorch</text>
</svg>
`;
}

const lines = await readLines(Deno.args);
const byBatch = lines.filter(({ model }) => model === MODEL);
const byModel = lines.filter(({ batch }) => batch === BATCH)
  .sort((a, b) => b.examplesPerSecond - a.examplesPerSecond);
const date = new Date().toISOString().slice(0, 10);
const section = `## The whole training step

Measured ${date} on ${await machine()}, all of it on those cores, by \`deno task bench:training --json\`:
ids → lookups → dense step → gradients → tables through the real actors; 26 slots of dim 16, 13 dense
values, towers 256-128, Adagrad, 4 M ids that all have a row, Zipf 1.05. [The training
step](training_step.md) explains the figures.

![Examples a second by batch size and by model](training_step.svg)

### DeepFM by batch size

The peer is PyTorch with sparse embeddings and Adagrad on as many threads in the same run, in the best
of several environments, without DeepFM's first-order weights, which Cairn computes.

${batchTable(byBatch)}

### By model

${modelTable(lines)}
`;
await replaceSection(MARKERS, section);
await Deno.writeTextFile(CHART, chart(byBatch, byModel));
