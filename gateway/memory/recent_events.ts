/**
 * Remembers the newest event ids, the content of each event and its acceptance time, because
 * clients retry, often while the first attempt is still being written. The joiner deduplicates
 * again, over its whole window.
 *
 * Ids and contents are held as fingerprints, some 48 bytes an event however long its id is.
 */
import type { ActionRecord } from "../../records/event_record.ts";
import type { RememberedEvent } from "../../records/remembered_events.ts";
import { type Fingerprint, fingerprintOf } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";
import { type Generation, RecentMap } from "../../structures/recent_map.ts";

/** The fields that make two events of one id the same event. */
export interface EventContent extends Pick<ActionRecord, "item" | "action"> {
  readonly rankingId?: string | undefined;
  /** The user, where the event named no ranking. */
  readonly user?: string | undefined;
  readonly value?: number | undefined;
}

/** An event as it is remembered. */
type Accepted = Omit<RememberedEvent, "id">;

/** An event that is being written. */
interface Pending {
  readonly content: Fingerprint;
  readonly acceptance: Promise<number>;
}

/** An event found under an id. */
export interface KnownEvent {
  /** Whether its content is the one that was looked up. */
  readonly isSame: boolean;
  /** Acceptance time, ms, or the acceptance in progress. */
  readonly acceptedAtMs: number | Promise<number>;
}

export class RecentEvents {
  readonly #accepted: RecentMap<Fingerprint, Accepted>;
  /** By event id; at most as many as the requests in progress contain. */
  readonly #pending = new Map<string, Pending>();

  constructor(eventsMax: number) {
    this.#accepted = new RecentMap(eventsMax, () => new AcceptedEvents());
  }

  /** Accepted events that are remembered. */
  get size(): number {
    return this.#accepted.size;
  }

  /** The event under this id; undefined for an unknown id. */
  find(eventId: string, content: EventContent): KnownEvent | undefined {
    const pending = this.#pending.get(eventId);
    const known = pending ?? this.#accepted.get(fingerprintOf(eventId));
    if (known === undefined) return undefined;
    return {
      isSame: areEqual(known.content, contentOf(content)),
      acceptedAtMs: "acceptance" in known ? known.acceptance : known.acceptedAtMs,
    };
  }

  /**
   * Remembers an event that is being written. When `acceptance` resolves, the event is accepted;
   * when it rejects, the event is forgotten, so that a retry is a new attempt.
   */
  begin(eventId: string, event: EventContent, acceptance: Promise<number>): void {
    const content = contentOf(event);
    this.#pending.set(eventId, { content, acceptance });
    acceptance.then(
      (acceptedAtMs) => {
        this.#accepted.set(fingerprintOf(eventId), { content, acceptedAtMs });
        this.#pending.delete(eventId);
      },
      () => this.#pending.delete(eventId),
    );
  }

  /** Resolves when each event that is being written now is accepted or forgotten. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#pending.values()].map(({ acceptance }) => acceptance));
  }

  /**
   * Remembers an event of the log as older than all others.
   *
   * @returns False when there is no room for older events.
   */
  recallOlder({ eventId, acceptedAtMs, ...content }: ActionRecord): boolean {
    return this.recallRemembered({
      id: fingerprintOf(eventId),
      content: contentOf(content),
      acceptedAtMs,
    });
  }

  /** {@link recallOlder}, for an event of {@link batches}. */
  recallRemembered({ id, ...accepted }: RememberedEvent): boolean {
    return this.#accepted.setOlder(id, accepted);
  }

  /**
   * The accepted events in batches of at most {@link BATCH_EVENTS}, those of the generation that is
   * forgotten next at first. An event that is added between two batches may be missing.
   */
  *batches(): Generator<RememberedEvent[]> {
    for (const generation of this.#accepted.generations) {
      if (generation instanceof AcceptedEvents) yield* generation.batches();
    }
  }
}

/**
 * The content of an event as a text, the same in all processes. Ids have no control characters, so
 * the separators make it unambiguous. The ranking that an event was attributed to is no part of it:
 * a retry may find another one.
 */
export function contentText({ rankingId, user, item, action, value }: EventContent): string {
  const cause = user === undefined ? rankingId : `\0${user}`;
  return `${cause}\0${item}\0${action}\0${value ?? ""}`;
}

function contentOf(event: EventContent): Fingerprint {
  return fingerprintOf(contentText(event));
}

function areEqual(one: Fingerprint, other: Fingerprint): boolean {
  return one.low === other.low && one.high === other.high;
}

const CHUNK_EVENTS = 4096;

/** Events of one batch; 24 kB in a record of the log. */
export const BATCH_EVENTS = 1024;

interface Chunk {
  /** Fingerprints, two words each, the lower one first. */
  readonly ids: Uint32Array;
  readonly contents: Uint32Array;
  readonly acceptedAtMs: Float64Array;
}

/** One generation of events, packed into chunks of typed arrays. */
class AcceptedEvents implements Generation<Fingerprint, Accepted> {
  /** Index of each event, over all chunks. */
  readonly #indexes = new FingerprintMap();
  readonly #chunks: Chunk[] = [];
  /** Events in all chunks, deleted ones included. */
  #count = 0;

  get size(): number {
    return this.#indexes.size;
  }

  has(event: Fingerprint): boolean {
    return this.#indexes.has(event);
  }

  get(event: Fingerprint): Accepted | undefined {
    const index = this.#indexes.get(event);
    if (index === undefined) return undefined;
    const { contents, acceptedAtMs } = this.#chunks[Math.floor(index / CHUNK_EVENTS)];
    const at = index % CHUNK_EVENTS;
    return {
      content: { low: contents[2 * at], high: contents[2 * at + 1] },
      acceptedAtMs: acceptedAtMs[at],
    };
  }

  set(event: Fingerprint, { content, acceptedAtMs }: Accepted): void {
    const index = this.#indexes.get(event) ?? this.#count++;
    const chunk = this.#chunks[Math.floor(index / CHUNK_EVENTS)] ?? this.#addChunk();
    const at = index % CHUNK_EVENTS;
    this.#indexes.set(event, index);
    chunk.ids[2 * at] = event.low;
    chunk.ids[2 * at + 1] = event.high;
    chunk.contents[2 * at] = content.low;
    chunk.contents[2 * at + 1] = content.high;
    chunk.acceptedAtMs[at] = acceptedAtMs;
  }

  delete(event: Fingerprint): boolean {
    return this.#indexes.delete(event);
  }

  *batches(): Generator<RememberedEvent[]> {
    for (let index = 0; index < this.#count;) {
      const events: RememberedEvent[] = [];
      for (; index < this.#count && events.length < BATCH_EVENTS; index++) {
        const { ids } = this.#chunks[Math.floor(index / CHUNK_EVENTS)];
        const at = index % CHUNK_EVENTS;
        const id = { low: ids[2 * at], high: ids[2 * at + 1] };
        if (this.#indexes.get(id) !== index) continue; // deleted
        const accepted = this.get(id);
        if (accepted !== undefined) events.push({ id, ...accepted });
      }
      if (events.length > 0) yield events;
    }
  }

  #addChunk(): Chunk {
    const chunk = {
      ids: new Uint32Array(2 * CHUNK_EVENTS),
      contents: new Uint32Array(2 * CHUNK_EVENTS),
      acceptedAtMs: new Float64Array(CHUNK_EVENTS),
    };
    this.#chunks.push(chunk);
    return chunk;
  }
}
