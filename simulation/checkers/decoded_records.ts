/**
 * Durable records, decoded once for all checkers, which look at the same ones in turn.
 */
import { decodeEvent, type EventRecord } from "../../records/event_record.ts";
import { decodeExamples, type ExampleChunk } from "../../records/example_chunk.ts";

const events = new WeakMap<readonly Uint8Array[], readonly EventRecord[]>();
const chunks = new WeakMap<readonly Uint8Array[], readonly ExampleChunk[]>();

/** The records of the event log. Nothing may change them. */
export function decodedEvents(records: readonly Uint8Array[]): readonly EventRecord[] {
  return once(events, records, decodeEvent);
}

/** The chunks of the example log. Nothing may change them. */
export function decodedChunks(records: readonly Uint8Array[]): readonly ExampleChunk[] {
  return once(chunks, records, decodeExamples);
}

function once<T>(
  known: WeakMap<readonly Uint8Array[], readonly T[]>,
  records: readonly Uint8Array[],
  decode: (bytes: Uint8Array) => T,
): readonly T[] {
  let decoded = known.get(records);
  if (decoded === undefined) known.set(records, decoded = records.map(decode));
  return decoded;
}
