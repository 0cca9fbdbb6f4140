/**
 * Carries the event ids that a gateway remembers past the records that name them. An erasure
 * releases the log, which trims records as soon as no window needs them; a gateway that restarts
 * would accept an event of a trimmed record a second time.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import { endOffsets, type EventLog } from "../../mesh/ports/event_log.ts";
import { encodeEvent } from "../../records/event_record.ts";
import { packEvents } from "../../records/remembered_events.ts";
import type { GatewayMemory } from "./gateway_memory.ts";

/** Partition of the records with event ids: a gateway remembers all partitions together. */
const PARTITION = 0;

/** Longest wait for the events that are being written, ms. */
const WRITING_MS_MAX = 1_000;

/**
 * Appends the remembered event ids to the log.
 *
 * @returns By partition, the offset before which every event is among them.
 * @throws {Error} The ids are not complete now; nothing may be released.
 */
export async function carryEvents(
  memory: GatewayMemory,
  { eventLog, clock }: { readonly eventLog: EventLog; readonly clock: Clock },
): Promise<number[]> {
  if (!memory.isComplete) {
    throw new Error("the gateway has not read all event ids back from the event log yet");
  }
  const ends = await endOffsets(eventLog);
  // An event before these ends is remembered, or its append is not answered yet.
  await writtenEvents(memory, clock);
  for (const events of memory.events.batches()) {
    const record = {
      kind: "remembered",
      events: packEvents(events),
      atMs: clock.nowMs(),
      acceptedAtMs: memory.acceptanceClock.nextMs(),
    } as const;
    // The record of the release, which is appended after these, makes them durable.
    await eventLog.append(PARTITION, [encodeEvent(record)], "written");
  }
  return ends;
}

/** Waits for the events that are being written at the call. */
async function writtenEvents({ events }: GatewayMemory, clock: Clock): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = clock.schedule(
    WRITING_MS_MAX,
    () => late.reject(new Error(`events are being written for more than ${WRITING_MS_MAX} ms`)),
  );
  try {
    await Promise.race([events.settled(), late.promise]);
  } finally {
    timer.cancel();
  }
}
