/**
 * A shard's stream of deltas. It gives the deltas of its tables one after another, keeps each until
 * it is acknowledged, and can be handed over to another host: the deltas that wait go along, and
 * the new owner continues the same lineage, so that no replica reloads a row.
 */
import type { ClassTables } from "../../kernels/embedding/class_tables.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { ServedWeights } from "../../kernels/embedding/served_weights.ts";
import type { TraceContext } from "../../mesh/ports/tracing.ts";
import { TraceLinks } from "../../mesh/runtime/trace_links.ts";
import { invariant } from "../../structures/invariant.ts";

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

/** A lineage that another owner began. */
export interface HandedDeltas {
  readonly lineage: string;
  /** Sequence of the newest acknowledged delta. */
  readonly acknowledged: number;
  /** Sequence of the newest delta that was given. */
  readonly given: number;
  /** The deltas after the acknowledged one, without gaps. */
  readonly waiting: readonly Delta[];
}

export interface TakenDelta {
  /** Undefined where nothing is new. Its buffers are the taker's. */
  readonly delta?: Delta;
  readonly position: DeltaPosition;
  /** The delta was given before: rows that changed since may be in the next one alone. */
  readonly repeated: boolean;
  /**
   * The deltas after this position bring every row to a replica without rows. Present only where
   * none of them was given yet, and the taker does not know the lineage.
   */
  readonly bringsAllRows?: true;
}

/** Deltas that wait at a handover, at most; with more, the new owner begins a lineage. */
const HANDED_DELTAS_MAX = 64;

export class DeltaStream {
  readonly #tables: ClassTables;
  readonly #shard: number;
  /** Prefix of the lineages that this owner begins. */
  readonly #name: string;
  /** Number of the tables' lineage that {@link #lineage} names. */
  #tableLineage: number;
  #lineage: string;
  /** Sequence of the delta before the tables' first one of this lineage. */
  #before: number;
  /** Deltas that were taken from the tables, or came from another owner; not acknowledged. */
  #waiting: Delta[];
  #acknowledged: number;
  #given: number;
  /** The lineage that began before the first row was loaded; undefined where none did. */
  readonly #lineageOfLoad: string | undefined;
  /** Whether loaded rows may wait to be given. */
  #owesLoadedRows: boolean;
  readonly #traces = new TraceLinks();

  /** @param name Unique among all owners of the shard. */
  constructor(tables: ClassTables, shard: number, name: string, handed?: HandedDeltas) {
    this.#tables = tables;
    this.#shard = shard;
    this.#name = name;
    // Records changes from now on.
    if (handed !== undefined) tables.deltas.take(0, 1);
    this.#tableLineage = tables.deltas.position.lineage;
    this.#lineage = handed?.lineage ?? `${name}/${this.#tableLineage}`;
    this.#waiting = [...handed?.waiting ?? []];
    this.#acknowledged = handed?.acknowledged ?? 0;
    this.#given = handed?.given ?? 0;
    this.#before = this.#acknowledged + this.#waiting.length;
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

  /** Position of the newest delta that was given. */
  get position(): DeltaPosition {
    return { lineage: this.#lineage, sequence: this.#given };
  }

  /**
   * The next delta, for a taker that may not know the lineage. While the shard loads, and until its
   * first delta is given, such a taker gets the position alone: the loaded rows are in the deltas
   * that follow.
   */
  answer(
    acknowledged: DeltaPosition | undefined,
    { rowsMax, isLoading }: { readonly rowsMax: number; readonly isLoading: boolean },
  ): TakenDelta {
    const bringsAllRows = this.#lineage === this.#lineageOfLoad && this.#given === 0;
    if ((isLoading || bringsAllRows) && acknowledged?.lineage !== this.#lineage) {
      const { position } = this;
      return { position, repeated: false, ...(bringsAllRows && { bringsAllRows }) };
    }
    const taken = this.take(acknowledged, rowsMax);
    const isLast = !isLoading && !taken.repeated && !isFull(taken.delta, rowsMax);
    if (isLast) this.#owesLoadedRows = false;
    return taken;
  }

  /**
   * @param acknowledged Position of the newest delta that the taker has applied; undefined where it
   * does not know.
   * @param rowsMax Bounds rows, and tombstones, of each class.
   */
  take(acknowledged: DeltaPosition | undefined, rowsMax: number): TakenDelta {
    // A taker that has restarted does not know its last acknowledgement.
    if (acknowledged?.lineage === this.#lineage) {
      this.#acknowledged = Math.max(this.#acknowledged, acknowledged.sequence);
    }
    while (this.#waiting.length > 0 && this.#waiting[0].sequence <= this.#acknowledged) {
      this.#waiting.shift();
    }
    const [waiting] = this.#waiting;
    if (waiting !== undefined) {
      invariant(waiting.sequence === this.#acknowledged + 1, "deltas that wait have no gaps");
      const repeated = waiting.sequence <= this.#given;
      this.#given = Math.max(this.#given, waiting.sequence);
      return { delta: copied(waiting), position: this.position, repeated };
    }
    const before = this.#given;
    const delta = this.#takeFromTables(rowsMax);
    const repeated = delta !== undefined && delta.sequence === before;
    invariant(
      delta === undefined || delta.sequence === this.#acknowledged + 1,
      "a delta follows the acknowledged one",
    );
    if (delta === undefined) return { position: this.position, repeated };
    this.#given = delta.sequence;
    return { delta, position: this.position, repeated };
  }

  /**
   * The stream as another owner continues it; undefined where it has to begin a lineage. The caller
   * takes no delta and makes no change between this call and the end of the handover. If the
   * handover is given up, this stream goes on as before.
   */
  handOver(rowsMax: number): HandedDeltas | undefined {
    if (this.#tables.deltas.position.lineage === 0) return undefined;
    const lineage = this.#lineage;
    for (;;) {
      if (this.#waiting.length > HANDED_DELTAS_MAX) return undefined;
      const last = this.#waiting.at(-1)?.sequence ?? this.#acknowledged;
      const delta = this.#takeFromTables(rowsMax, last);
      if (this.#lineage !== lineage) return undefined;
      if (delta === undefined) break;
      this.#waiting.push(delta);
    }
    return {
      lineage,
      acknowledged: this.#acknowledged,
      given: this.#given,
      waiting: this.#waiting.map(copied),
    };
  }

  /** The tables' delta after `acknowledged`; begins a lineage where the tables do. */
  #takeFromTables(rowsMax: number, acknowledged = this.#acknowledged): Delta | undefined {
    const delta = this.#tables.deltas.take(Math.max(0, acknowledged - this.#before), rowsMax);
    const { lineage } = this.#tables.deltas.position;
    if (lineage !== this.#tableLineage) {
      this.#tableLineage = lineage;
      this.#lineage = `${this.#name}/${lineage}`;
      this.#waiting = [];
      this.#acknowledged = this.#given = this.#before = 0;
    }
    if (delta === undefined) return undefined;
    const sequence = this.#before + delta.sequence;
    const traces = this.#traces.take();
    return {
      shard: this.#shard,
      lineage: this.#lineage,
      sequence,
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

/** The buffers of a delta, which move with it. */
export function buffersOf({ classes }: Delta): ArrayBuffer[] {
  return classes.flatMap((changes) =>
    changes === undefined
      ? []
      : [changes.ids.buffer, changes.rows.buffer, changes.tombstones.buffer]
  );
}

function copied(delta: Delta): Delta {
  return {
    ...delta,
    classes: delta.classes.map((changes) =>
      changes && {
        ids: changes.ids.slice(),
        rows: changes.rows.slice(),
        tombstones: changes.tombstones.slice(),
        checksum: changes.checksum,
      }
    ),
  };
}
