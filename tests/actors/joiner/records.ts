/**
 * Small event records for the joiner's tests: the features of a row are two ids that stand for its
 * ranking and item, so that an example can be traced back to its impression.
 */
import type { ActionRecord, ImpressionRecord, ShownRecord } from "../../../records/event_record.ts";
import type { JoinerOptions } from "../../../actors/joiner/options.ts";
import type { RowColumns } from "../../../kernels/features/schema_fingerprint.ts";
import { ImpressionRowsWriter } from "../../../records/impression_rows_writer.ts";
import type { ExampleChunk } from "../../../records/example_chunk.ts";

/** The columns of {@link shownRows}. */
export const COLUMNS: RowColumns = { slots: 2, denseWidth: 1, schemaFingerprint: 5 };

export function joinerOptions(changes: Partial<JoinerOptions> = {}): JoinerOptions {
  return {
    partition: 0,
    ...COLUMNS,
    windowMs: 1_000,
    clockSkewMsMax: 100,
    clocksApartMsMax: 0,
    impressionsMax: 1_000,
    impressionsBytesMax: 1 << 24,
    actionsPerImpressionMax: 100,
    tasks: [{
      task: "liked",
      rules: [
        { action: "click", label: "positive" },
        { action: "buy", label: "positive", final: true },
        { action: "dislike", label: "negative", final: true },
      ],
    }],
    negativeSampling: { rate: 1, seed: 1, correction: "logOdds" },
    recordsRetained: 0,
    recordsPerTurn: 256,
    batchRows: 64,
    lingerMs: 0,
    ...changes,
  };
}

const names = new Map<string, bigint>();
const idsToNames: string[] = [];

/** A number that stands for a name. */
function idOf(name: string): bigint {
  let id = names.get(name);
  if (id === undefined) {
    id = BigInt(idsToNames.length);
    idsToNames.push(name);
    names.set(name, id);
  }
  return id;
}

/** Row i has ids [ranking] and [item] in slots 0 and 1, the dense value i, and the score 0.5. */
export function shownRows(
  ranking: string,
  items: readonly string[],
  columns = COLUMNS,
): Uint8Array {
  const rows = items.map((_, row) => row);
  const writer = new ImpressionRowsWriter({ ...columns, tasks: 1, sharedSlots: [0] });
  return writer.write({
    candidates: items.map((id) => ({ id })),
    features: {
      rows: items.length,
      ids: BigUint64Array.from(items.flatMap((item) => [idOf(ranking), idOf(item)])),
      listOffsets: Uint32Array.from({ length: items.length * 2 + 1 }, (_, i) => i),
      dense: Float32Array.from(rows),
    },
    predictions: rows.map(() => 0.5),
    rows,
  });
}

/** Its rows are {@link shownRows}. */
export function impression(
  { ranking, items, atMs, acceptedAtMs = 1e9 }: {
    ranking: string;
    items: readonly string[];
    atMs: number;
    acceptedAtMs?: number;
  },
): ImpressionRecord {
  return {
    kind: "impression",
    rankingId: ranking,
    atMs,
    acceptedAtMs,
    user: "u",
    shown: shownRows(ranking, items),
  };
}

/** A report of shown items. */
export function report(
  { ranking, items, atMs, acceptedAtMs = 1e9 }: {
    ranking: string;
    items: readonly string[];
    atMs: number;
    acceptedAtMs?: number;
  },
): ShownRecord {
  return { kind: "shown", rankingId: ranking, items, atMs, acceptedAtMs };
}

let events = 0;

export function action(
  { ranking, item, action, atMs, value, eventId, acceptedAtMs = 1e9 }: {
    ranking: string;
    item: string;
    action: string;
    atMs: number;
    value?: number;
    eventId?: string;
    acceptedAtMs?: number;
  },
): ActionRecord {
  return {
    kind: "action",
    eventId: eventId ?? `event-${events++}`,
    rankingId: ranking,
    item,
    action,
    ...(value === undefined ? {} : { value }),
    atMs,
    acceptedAtMs,
  };
}

export interface NamedExample {
  /** `ranking/item`, read back from the ids. */
  readonly name: string;
  readonly label: number;
  readonly dense: number;
  readonly logSampleRate: number;
  readonly score: number;
}

/** The examples of a chunk, by the names that their ids stand for. */
export function readExamples(chunk: ExampleChunk): NamedExample[] {
  const ids = new BigUint64Array(chunk.ids.slice().buffer);
  const offsets = new Uint32Array(chunk.listOffsets.slice().buffer);
  const floats = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer);
  const [dense, labels, rates, scores] = [
    floats(chunk.dense),
    floats(chunk.labels),
    floats(chunk.logSampleRate),
    floats(chunk.servedPredictions),
  ];
  return Array.from({ length: chunk.rows }, (_, row) => ({
    name: [0, 1].map((slot) => idsToNames[Number(ids[offsets[row * 2 + slot]])]).join("/"),
    label: labels[row],
    dense: dense[row],
    logSampleRate: rates[row],
    score: scores[row],
  }));
}
