/**
 * Compares the clicks that gateways accepted with the examples that the joiner wrote: each click
 * must be one positive example of its shopper and its product. A click on a ranking that is not in
 * the event log is left out: while the server of the log is away or slow, a ranking is answered
 * without it, and nothing is learned from it.
 *
 * Examples hold feature ids, so clicks are counted by the ids of shopper and product.
 */
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import { type ValueHasher } from "../../kernels/features/value_buffer.ts";
import { decodeEvent } from "../../records/event_record.ts";
import { decodeExamples } from "../../records/example_chunk.ts";
import { present } from "../../structures/invariant.ts";

/** A click that a gateway has accepted. */
export interface AcceptedClick {
  readonly rankingId: string;
  readonly user: string;
  readonly item: string;
}

/** The outcome of the comparison, in clicks. */
export interface AuditResult {
  /** Clicks on rankings that are in the event log. */
  readonly accepted: number;
  /** Clicks on other rankings. */
  readonly unlogged: number;
  /** Positive examples. */
  readonly learned: number;
  /** Accepted clicks without an example. */
  readonly lost: number;
  /** Examples beyond the accepted clicks. */
  readonly twice: number;
}

/** Counts of one shopper and product. */
interface Pair {
  clicks: number;
  examples: number;
}

export class ClickAudit {
  readonly #hasher: ValueHasher;
  /** Slot number and column of the ids of users and items. */
  readonly #user: { readonly slot: number; readonly column: number };
  readonly #item: { readonly slot: number; readonly column: number };
  readonly #slots: number;
  readonly #pairs = new Map<string, Pair>();
  readonly #ids = new Map<string, bigint>();
  readonly #clicks: AcceptedClick[] = [];
  readonly #logged = new Set<string>();

  constructor(schema: FeatureSchema, hasher: ValueHasher) {
    this.#hasher = hasher;
    this.#slots = schema.slots.length;
    const idSlot = (source: "user" | "item") => {
      const column = schema.slots.findIndex((slot) => slot.kind === "id" && slot.source === source);
      return { column, slot: present(schema.slots[column], "the schema has ids").number };
    };
    this.#user = idSlot("user");
    this.#item = idSlot("item");
  }

  /** A gateway has accepted a click. */
  clicked(click: AcceptedClick): void {
    this.#clicks.push(click);
  }

  /** A record of the event log. */
  event(record: Uint8Array): void {
    const event = decodeEvent(record);
    if (event.kind === "impression") this.#logged.add(event.rankingId);
  }

  /** A record of the example log. */
  example(record: Uint8Array): void {
    const { rows, ids, listOffsets, labels } = decodeExamples(record);
    if (rows === 0) return;
    const all = new BigUint64Array(ids.slice().buffer);
    const offsets = new Uint32Array(listOffsets.slice().buffer);
    const positive = new Float32Array(labels.slice().buffer);
    for (let row = 0; row < rows; row++) {
      if (positive[row * (positive.length / rows)] !== 1) continue;
      const first = row * this.#slots;
      const idIn = (column: number) => all[offsets[first + column]];
      this.#pair(idIn(this.#user.column), idIn(this.#item.column)).examples++;
    }
  }

  result(): AuditResult {
    const logged = this.#clicks.filter(({ rankingId }) => this.#logged.has(rankingId));
    for (const pair of this.#pairs.values()) pair.clicks = 0;
    for (const { user, item } of logged) {
      this.#pair(this.#idOf(this.#user.slot, user), this.#idOf(this.#item.slot, item)).clicks++;
    }
    const unlogged = this.#clicks.length - logged.length;
    const sum = { accepted: 0, unlogged, learned: 0, lost: 0, twice: 0 };
    for (const { clicks, examples } of this.#pairs.values()) {
      sum.accepted += clicks;
      sum.learned += examples;
      sum.lost += Math.max(0, clicks - examples);
      sum.twice += Math.max(0, examples - clicks);
    }
    return sum;
  }

  #pair(user: bigint, item: bigint): Pair {
    const key = `${user} ${item}`;
    let pair = this.#pairs.get(key);
    if (pair === undefined) this.#pairs.set(key, pair = { clicks: 0, examples: 0 });
    return pair;
  }

  #idOf(slot: number, text: string): bigint {
    const key = `${slot} ${text}`;
    let id = this.#ids.get(key);
    if (id === undefined) {
      const utf8 = new TextEncoder().encode(text);
      const offsets = new Uint32Array([0, utf8.byteLength]);
      const hashed = this.#hasher.hash(new Uint16Array([slot]), utf8, offsets);
      this.#ids.set(key, id = hashed[0]);
    }
    return id;
  }
}
