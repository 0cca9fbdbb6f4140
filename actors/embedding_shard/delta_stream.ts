/**
 * A shard's stream of deltas, for any number of takers. It is a log of the newest deltas, bounded
 * in number and bytes: each taker reads from the position that it names, so the stream knows no
 * taker and waits for none, and one that is too far behind is told that it has missed deltas.
 *
 * It can be handed over to another host: the newest deltas go along, and the new owner continues
 * the same lineage, so that no replica reloads a row.
 */
import type { ClassTables } from "../../kernels/embedding/class_tables.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { ServedWeights } from "../../kernels/embedding/served_weights.ts";
import type { TraceContext } from "../../mesh/ports/tracing.ts";
import { TraceLinks } from "../../mesh/runtime/trace_links.ts";

/**
 * A position in a stream of deltas. The deltas of a lineage are numbered without gaps. A new
 * lineage begins when the shard restarts, and when deltas were not taken for so long that evicted
 * ids were forgotten. Rows of an earlier lineage must be replaced: no delta tells which of them are
 * gone.
 */
export interface DeltaPosition {
  readonly lineage: string;
  /** Number of the newest delta; 0 before the first. */
  readonly sequence: number;
}

/** Changed rows and evicted ids. Its sequence follows the sequence of the delta before. */
export interface Delta extends DeltaPosition {
  readonly shard: number;
  /** Traces of gradients since the delta before whose spans are recorded. */
  readonly traces?: readonly string[];
  /** By class of rows; undefined for a class without changes. */
  readonly classes: readonly (ClassChanges | undefined)[];
}

/** The changes in one class. */
export interface ClassChanges {
  readonly ids: FeatureIds;
  /** In the precision of serving. */
  readonly rows: ServedWeights;
  /** Evicted ids. */
  readonly tombstones: FeatureIds;
  /** CRC32C over ids, rows and tombstones as little-endian bytes. */
  readonly checksum: number;
}

/** A delta that the stream holds for takers that do not have it yet. */
export interface HeldDelta {
  readonly delta: Delta;
  readonly bytes: number;
  /** The mark of the rows at this delta's position; see {@link TakenDeltas.learnedThroughMs}. */
  learnedThroughMs: number | undefined;
}

/** A lineage that another owner began. */
export interface HandedDeltas {
  readonly lineage: string;
  /** Sequence of the newest delta. */
  readonly newest: number;
  /** The newest deltas, without gaps. */
  readonly held: readonly HeldDelta[];
  readonly learnedThroughMs: number | undefined;
}

/** News for a taker, which stands at `position` when it has applied them. */
export interface TakenDeltas {
  /** The deltas that follow the taker's position, without gaps. They are not the taker's own. */
  readonly deltas: readonly Delta[];
  readonly position: DeltaPosition;
  /**
   * All events accepted up to this time, ms since the Unix epoch, are learned in the rows at
   * `position`; undefined before the first mark of this incarnation.
   */
  readonly learnedThroughMs: number | undefined;
  /** No delta follows the taker's position: it has to be filled, and goes on at `position`. */
  readonly missed?: boolean;
  /** With `missed`: the deltas after `position` bring every row to a replica without rows. */
  readonly bringsAllRows?: boolean;
}

/** Bounds of one answer, and of one delta. */
export interface TakeOptions {
  /** Bounds rows, and tombstones, of each class of a delta, and the deltas of an answer. */
  readonly rowsMax: number;
  readonly isLoading: boolean;
}

/**
 * Deltas that are held, at most. A replica that is filled goes on at those since its fill began; a
 * fill can take a minute, and marks come every 100 ms.
 */
const HELD_DELTAS_MAX = 1_024;

/** Deltas that a handover makes, at most; with more, the new owner begins a lineage. */
const SEALED_AT_HANDOVER_MAX = 64;

/** Deltas older than a handover that go along, bytes at most: the shard is frozen meanwhile. */
const HANDED_BYTES_MAX = 2 ** 21;

export interface DeltaStreamOptions {
  readonly shard: number;
  /** Unique among all owners of the shard. */
  readonly name: string;
  /** Bound of the deltas that are held; the newest one is held whatever its size. */
  readonly heldBytesMax: number;
}

export class DeltaStream {
  readonly #tables: ClassTables;
  readonly #shard: number;
  /** Prefix of the lineages that this owner begins. */
  readonly #name: string;
  readonly #heldBytesMax: number;
  /** Number of the tables' lineage that {@link #lineage} names. */
  #tableLineage: number;
  #lineage: string;
  /** Sequence of the delta before the tables' first one of this lineage. */
  #before: number;
  /** The newest deltas, without gaps. */
  #held: HeldDelta[];
  #heldBytes: number;
  /** Sequence of the newest delta. */
  #newest: number;
  /** The mark of the rows at the newest delta. */
  #learnedThroughMs: number | undefined;
  /** Whether the newest delta had all changes of the tables. */
  #isDrained = false;
  /** The lineage that began before the first row was loaded; undefined where none did. */
  readonly #lineageOfLoad: string | undefined;
  /** Whether loaded rows may wait to be given. */
  #owesLoadedRows: boolean;
  readonly #traces = new TraceLinks();

  /** @param handed The stream of the owner before; undefined where a lineage begins. */
  constructor(
    tables: ClassTables,
    { shard, name, heldBytesMax }: DeltaStreamOptions,
    handed?: HandedDeltas,
  ) {
    this.#tables = tables;
    this.#shard = shard;
    this.#name = name;
    this.#heldBytesMax = heldBytesMax;
    // Records changes from now on.
    if (handed !== undefined) tables.deltas.take(0, 1);
    this.#tableLineage = tables.deltas.position.lineage;
    this.#lineage = handed?.lineage ?? `${name}/${this.#tableLineage}`;
    this.#held = handed?.held.map((each) => ({ ...each })) ?? [];
    this.#heldBytes = this.#held.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#newest = this.#before = handed?.newest ?? 0;
    this.#learnedThroughMs = handed?.learnedThroughMs;
    this.#owesLoadedRows = handed === undefined && this.#tableLineage > 0;
    this.#lineageOfLoad = this.#owesLoadedRows ? this.#lineage : undefined;
  }

  /** Whether rows of a load wait to be given as deltas. */
  get owesLoadedRows(): boolean {
    return this.#owesLoadedRows && this.#lineage === this.#lineageOfLoad;
  }

  /** The next delta has changes of this trace. */
  trace(context: TraceContext | undefined): void {
    this.#traces.add(context);
  }

  /** Position of the newest delta. Rows that are exported now have its changes, or newer ones. */
  get position(): DeltaPosition {
    return { lineage: this.#lineage, sequence: this.#newest };
  }

  /** Whether the newest delta had all changes of the tables when it was sealed. */
  get isDrained(): boolean {
    return this.#isDrained;
  }

  /**
   * Makes a delta of the changes since the one before, if there are any.
   *
   * @returns Whether no more changes wait.
   */
  seal({ rowsMax, isLoading }: TakeOptions): boolean {
    const delta = this.#takeFromTables(rowsMax);
    if (delta !== undefined) this.#hold(delta);
    this.#isDrained = !isFull(delta, rowsMax);
    if (this.#isDrained && !isLoading) this.#owesLoadedRows = false;
    return this.#isDrained;
  }

  /** The rows at the newest delta have learned all events up to this time, ms. It never falls. */
  learned(throughMs: number): void {
    this.#learnedThroughMs = Math.max(this.#learnedThroughMs ?? 0, throughMs);
    const newest = this.#held.at(-1);
    if (newest !== undefined) newest.learnedThroughMs = this.#learnedThroughMs;
  }

  /**
   * The deltas after a position, as many as `rowsMax` allows, and at least the next one.
   *
   * @param position The taker's; undefined where it has no rows, or none that it may keep.
   */
  after(position: DeltaPosition | undefined, rowsMax: number): TakenDeltas {
    if (this.#tableLineage === 0) this.#takeFromTables(1); // records changes from now on
    const oldest = this.#newest - this.#held.length;
    const isKnown = position?.lineage === this.#lineage && position.sequence >= oldest &&
      position.sequence <= this.#newest;
    if (!isKnown) {
      const bringsAllRows = this.#lineage === this.#lineageOfLoad && oldest === 0;
      return {
        deltas: [],
        position: bringsAllRows ? { lineage: this.#lineage, sequence: 0 } : this.position,
        learnedThroughMs: undefined,
        missed: true,
        ...(bringsAllRows && { bringsAllRows }),
      };
    }
    const deltas: Delta[] = [];
    let learnedThroughMs = this.#learnedThroughMs;
    let changes = 0;
    for (const held of this.#held.slice(position.sequence - oldest)) {
      changes += changesOf(held.delta);
      if (deltas.length > 0 && changes > rowsMax) break;
      deltas.push(held.delta);
      learnedThroughMs = held.learnedThroughMs;
    }
    const sequence = position.sequence + deltas.length;
    return { deltas, position: { lineage: this.#lineage, sequence }, learnedThroughMs };
  }

  /**
   * The stream as another owner continues it; undefined where it has to begin a lineage. The caller
   * seals no delta and makes no change between this call and the end of the handover. If the
   * handover is given up, this stream goes on as before.
   */
  handOver(rowsMax: number): HandedDeltas | undefined {
    if (this.#tables.deltas.position.lineage === 0) return undefined;
    const { lineage, sequence } = this.position;
    for (let sealed = 0; !this.seal({ rowsMax, isLoading: false }); sealed++) {
      if (sealed >= SEALED_AT_HANDOVER_MAX) return undefined;
    }
    if (this.#lineage !== lineage) return undefined;
    const held: HeldDelta[] = [];
    let bytes = 0;
    for (const each of this.#held.toReversed()) {
      bytes += each.bytes;
      if (each.delta.sequence <= sequence && bytes > HANDED_BYTES_MAX) break;
      held.unshift({ ...each });
    }
    return { lineage, newest: this.#newest, held, learnedThroughMs: this.#learnedThroughMs };
  }

  #hold(delta: Delta): void {
    const bytes = bytesOf(delta);
    this.#newest = delta.sequence;
    this.#held.push({ delta, bytes, learnedThroughMs: this.#learnedThroughMs });
    this.#heldBytes += bytes;
    while (
      this.#held.length > HELD_DELTAS_MAX ||
      this.#held.length > 1 && this.#heldBytes > this.#heldBytesMax
    ) {
      this.#heldBytes -= this.#held.shift()?.bytes ?? 0;
    }
  }

  /** The tables' next delta; begins a lineage where the tables do. */
  #takeFromTables(rowsMax: number): Delta | undefined {
    // Acknowledged at once: this stream holds it.
    const delta = this.#tables.deltas.take(this.#newest - this.#before, rowsMax);
    const { lineage } = this.#tables.deltas.position;
    if (lineage !== this.#tableLineage) {
      this.#tableLineage = lineage;
      this.#lineage = `${this.#name}/${lineage}`;
      this.#held = [];
      this.#heldBytes = this.#newest = this.#before = 0;
    }
    if (delta === undefined) return undefined;
    const traces = this.#traces.take();
    return {
      shard: this.#shard,
      lineage: this.#lineage,
      sequence: this.#before + delta.sequence,
      classes: delta.classes,
      ...(traces && { traces }),
    };
  }
}

/** Whether more changes than the delta has may wait. */
function isFull(delta: Delta | undefined, rowsMax: number): boolean {
  return delta?.classes.some((changes) =>
    changes !== undefined && changes.ids.length + changes.tombstones.length >= rowsMax
  ) ?? false;
}

function changesOf({ classes }: Delta): number {
  return classes.reduce(
    (sum, changes) => sum + (changes?.ids.length ?? 0) + (changes?.tombstones.length ?? 0),
    0,
  );
}

function bytesOf({ classes }: Delta): number {
  return classes.reduce(
    (sum, changes) =>
      sum +
      (changes === undefined
        ? 0
        : changes.ids.byteLength + changes.rows.byteLength + changes.tombstones.byteLength),
    0,
  );
}
