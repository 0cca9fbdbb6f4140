/**
 * Events as a gateway remembers them, packed for a record of the event log: their ids outlive the
 * records that name them, because a release for an erasure trims records that are still new.
 *
 *     u32  fingerprint of the event's id, the lower word first    [2]
 *     u32  fingerprint of its content, the lower word first       [2]
 *     f64  its acceptance time, ms
 *
 * All little-endian, one event after another.
 */
import type { Fingerprint } from "../structures/fingerprint.ts";

/** An event that was accepted, without its text. */
export interface RememberedEvent {
  readonly id: Fingerprint;
  readonly content: Fingerprint;
  readonly acceptedAtMs: number;
}

const EVENT_BYTES = 24;

/** The events as bytes, in their order. */
export function packEvents(events: readonly RememberedEvent[]): Uint8Array {
  const bytes = new Uint8Array(events.length * EVENT_BYTES);
  const view = new DataView(bytes.buffer);
  events.forEach(({ id, content, acceptedAtMs }, i) => {
    const at = i * EVENT_BYTES;
    view.setUint32(at, id.low, true);
    view.setUint32(at + 4, id.high, true);
    view.setUint32(at + 8, content.low, true);
    view.setUint32(at + 12, content.high, true);
    view.setFloat64(at + 16, acceptedAtMs, true);
  });
  return bytes;
}

/** Whether {@link unpackEvents} can read the bytes. */
export function areEvents({ byteLength }: Uint8Array): boolean {
  return byteLength % EVENT_BYTES === 0;
}

/**
 * The events that {@link packEvents} packed.
 *
 * @throws {RangeError} When the bytes end within an event.
 */
export function unpackEvents(bytes: Uint8Array): RememberedEvent[] {
  if (!areEvents(bytes)) {
    throw new RangeError(`Cannot read events from ${bytes.byteLength} bytes: one is cut`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / EVENT_BYTES }, (_, i) => {
    const at = i * EVENT_BYTES;
    return {
      id: { low: view.getUint32(at, true), high: view.getUint32(at + 4, true) },
      content: { low: view.getUint32(at + 8, true), high: view.getUint32(at + 12, true) },
      acceptedAtMs: view.getFloat64(at + 16, true),
    };
  });
}
