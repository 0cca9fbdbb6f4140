/**
 * Turns the lines of `deno task bench:embedding --json` into the section of
 * docs/performance/benchmarks.md about this machine's kind of processor, and its chart.
 *
 *     deno run -A scripts/report_embedding_bench.ts <lines.jsonl> […]
 *
 * Run it on the machine that measured. Where two files measured the same shape, the later file
 * wins. Sections of other processors stay as they are.
 */
import { processorName } from "../tests/bench/embedding/core_time.ts";
import { machine, replaceSection } from "./benchmark_page.ts";

/** Sections of processors that the page does not have yet come before this line. */
const LAST_LINE = "<!-- embedding: end -->";
const CONTENDERS = ["ours", "libcuckoo", "phmap", "absl", "torch"] as const;
const COLOURS = { ours: "#b8432f", libcuckoo: "#8a9ba8", phmap: "#4f6d7a", absl: "#b9c4cc" };

interface Line {
  readonly bench: string;
  readonly keys: number;
  readonly dim: number;
  readonly batch?: number;
  readonly distribution?: string;
  readonly table?: string;
  readonly hugePages?: boolean;
  readonly processor?: string;
  readonly [column: string]: string | number | boolean | null | undefined;
}

async function readLines(paths: readonly string[]): Promise<Line[]> {
  const byShape = new Map<string, Line>();
  for (const path of paths) {
    for (const text of (await Deno.readTextFile(path)).trim().split("\n")) {
      const line: Line = JSON.parse(text);
      const { bench, keys, dim, batch, distribution, table, hugePages } = line;
      byShape.set([bench, keys, dim, batch, distribution, table, hugePages].join(), line);
    }
  }
  const order = ({ keys, dim, table, distribution, batch, hugePages }: Line) =>
    [
      keys / 1e6,
      String(dim).padStart(3, "0"),
      table,
      distribution,
      String(batch).padStart(5, "0"),
      hugePages,
    ].join();
  return [...byShape.values()].sort((a, b) => order(a) < order(b) ? -1 : 1);
}

const millions = (keys: number) => `${keys / 1e6} M`;
const rate = (value: unknown) => typeof value === "number" ? value.toFixed(1) : "–";

function rateTable(lines: readonly Line[], bench: string): string {
  const columns = CONTENDERS.filter((name) => name !== "torch" || bench === "dedupe");
  const rows = lines.filter((line) => line.bench === bench).map((line) => {
    const best = Math.max(...CONTENDERS.slice(1, 4).map((name) => Number(line[name] ?? 0)));
    const ratio = best > 0 ? `${(Number(line.ours) / best).toFixed(2)} ×` : "–";
    const pages = line.hugePages ? "2 MiB" : "4 KiB";
    const shape = [millions(line.keys), line.dim, line.table, line.distribution, line.batch, pages];
    return `| ${[...shape, ...columns.map((name) => rate(line[name])), ratio].join(" | ")} |`;
  });
  if (rows.length === 0) return "";
  return `#### ${bench}, million ids per second of core time

| keys | dim | rows | ids | batch | pages | ${
    columns.map((name) => name === "ours" ? "Cairn" : name).join(" | ")
  } | to best map |
| --: | --: | :-- | :-- | --: | --: |${" --: |".repeat(columns.length + 1)}
${rows.join("\n")}
`;
}

function sizeTable(lines: readonly Line[]): string {
  const memory = lines.filter(({ bench }) => bench === "memory").map((line) =>
    `| ${millions(line.keys)} | ${line.dim} | ${Number(line.bytesPerKey).toFixed(1)} | ${
      Number(line.load).toFixed(2)
    } |`
  );
  const growth = lines.filter(({ bench }) => bench === "growth").map((line) =>
    `Growing to ${
      millions(Math.round(line.keys / 1e6) * 1e6)
    } keys of dim ${line.dim} with Adagrad, ` +
    `${line.batch} a call: the longest call took **${Number(line.pauseMsMax).toFixed(1)} ms**, ` +
    `99.9 % of calls at most ${Number(line.pauseMsP999).toFixed(1)} ms.`
  );
  return `#### Memory and growth

| keys | dim | bytes a key besides its row's floats | load |
| --: | --: | --: | --: |
${memory.join("\n")}

${growth.join("\n")}
`;
}

/** Grouped bars of lookups at dim 16, batch 4096, serving rows. */
function chart(lines: readonly Line[]): string {
  const shown = lines.filter(({ bench, dim, batch, table, hugePages }) =>
    bench === "lookup" && dim === 16 && batch === 4096 && table === "serving" && !hugePages
  );
  const names = CONTENDERS.slice(0, 4) as readonly (keyof typeof COLOURS)[];
  const top = Math.max(...shown.flatMap((line) => names.map((name) => Number(line[name] ?? 0))));
  const groups = shown.map((line, group) => {
    const left = 60 + group * 150;
    const bars = names.map((name, index) => {
      const value = Number(line[name] ?? 0);
      const height = 200 * value / top;
      const x = left + index * 30;
      return `<rect x="${x}" y="${240 - height}" width="26" height="${height}" fill="${
        COLOURS[name]
      }"/>` +
        `<text x="${x + 13}" y="${234 - height}" text-anchor="middle">${value.toFixed(1)}</text>`;
    });
    const label = `${millions(line.keys)}, ${line.distribution}`;
    return bars.join("") + `<text x="${left + 58}" y="258" text-anchor="middle">${label}</text>`;
  });
  const legend = names.map((name, index) =>
    `<rect x="${60 + index * 110}" y="274" width="12" height="12" fill="${COLOURS[name]}"/>` +
    `<text x="${78 + index * 110}" y="284">${name === "ours" ? "Cairn (WASM)" : name}</text>`
  );
  const width = 80 + shown.length * 150;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} 300" font-family="sans-serif" font-size="11">
<rect width="${width}" height="300" fill="#ffffff"/>
<text x="60" y="20" font-size="14">Lookups, million ids per second of core time (dim 16, batch 4096, one thread)</text>
${groups.join("\n")}
${legend.join("\n")}
</svg>
`;
}

const lines = await readLines(Deno.args);
const processor = processorName();
const other = lines.find((line) => line.processor !== undefined && line.processor !== processor);
if (other !== undefined) {
  throw new Error(`Cannot report: measured on ${other.processor}, this machine has ${processor}`);
}
/** The processor's name without trade marks. */
const name = processor.replaceAll(/\((R|TM)\)/g, "").replace(/ Processor$/, "");
const chartFile = `embedding_lookup_${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_")}.svg`;
const date = new Date().toISOString().slice(0, 10);
const section = `### The kernel on ${name}

Measured ${date} on ${await machine()}.

![Lookups compared with native hash maps on ${name}](${chartFile})

${
  ["lookup", "insert", "update", "dedupe"].map((bench) => rateTable(lines, bench)).filter(Boolean)
    .join("\n")
}
${sizeTable(lines)}
`;
const markers = {
  begin: `<!-- embedding on ${name}: begin, written by scripts/report_embedding_bench.ts -->`,
  end: `<!-- embedding on ${name}: end -->`,
};
await replaceSection(markers, section, LAST_LINE);
await Deno.writeTextFile(
  new URL(`../docs/performance/${chartFile}`, import.meta.url),
  chart(lines),
);
