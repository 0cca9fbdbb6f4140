/**
 * Reads the history of a file with a text, for the example of a shop.
 */
import { loadConfiguration } from "../../../cli/load_configuration.ts";
import { bundledFile } from "../../../cli/options.ts";
import { formatOf, openFileRows } from "../../../offline/import/file_rows.ts";
import type { DecimalSign } from "../../../offline/datasets/numbers.ts";
import { History } from "../../../offline/import/history.ts";
import { proposeMapping } from "../../../offline/import/mapping.ts";
import { readHistory } from "../../../offline/import/read_history.ts";
import type { FileContent } from "../../../offline/import/roles.ts";

const configuration = await loadConfiguration(
  bundledFile("examples/shop.yaml"),
  { assignments: ["attributes.item={ stock: number, brand: text, sold: boolean }"] },
);
export const { features: { schema }, gateway: { attributeTypes: declared } } = configuration;
export const LATEST_MS = Date.parse("2026-01-01T00:00:00Z");

/** Reads a file with this text; `refused` has line and reason of each refused row. */
export async function readText(
  name: string,
  text: string | Uint8Array<ArrayBuffer>,
  content: FileContent,
  { untilMs = Infinity, targets = {}, separators = {}, decimal }: {
    untilMs?: number;
    targets?: Record<string, string>;
    separators?: Record<string, string>;
    decimal?: DecimalSign;
  } = {},
) {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/${name}`;
  try {
    const bytes = new Blob([text]).stream();
    const packed = name.endsWith(".gz") ? bytes.pipeThrough(new CompressionStream("gzip")) : bytes;
    await Deno.writeFile(file, packed);
    const rows = await openFileRows(file, formatOf(file));
    const typed = {
      targets: new Map(Object.entries(targets)),
      separators: new Map(Object.entries(separators)),
    };
    const mapping = proposeMapping({
      file,
      content,
      columns: rows.columns,
      schema,
      declared,
      typed,
    });
    const history = new History();
    const refused: [number, string][] = [];
    const { added, warning } = await readHistory(history, rows.rows(), {
      content,
      mapping,
      action: "purchase",
      times: {},
      ...(decimal !== undefined && { decimal }),
      latestMs: LATEST_MS,
      untilMs,
      valueRanges: { rating: { min: 1, max: 5 } },
      refuse: (line, reason) => refused.push([line, reason]),
    });
    return { history, refused, added, warning };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
