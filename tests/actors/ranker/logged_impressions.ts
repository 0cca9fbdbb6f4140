/**
 * The impressions in the event log of a loop, and their rows.
 */
import { NumberMemory } from "../../../structures/number_memory.ts";
import { decodeEvent, type ImpressionRecord } from "../../../records/event_record.ts";
import { ImpressionRowsReader } from "../../../records/impression_rows_reader.ts";
import { Loop } from "../loop.ts";

export async function impressions(loop: Loop): Promise<ImpressionRecord[]> {
  const records = await loop.eventLog.read(0, 0, 1_000);
  return records.map(({ bytes }) => decodeEvent(bytes)).filter((r) => r.kind === "impression");
}

export function rowsOf({ shown }: ImpressionRecord): ImpressionRowsReader {
  return new ImpressionRowsReader().open(NumberMemory.copyOf(shown));
}
