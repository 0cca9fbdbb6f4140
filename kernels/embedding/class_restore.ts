/**
 * A snapshot's classes into the classes of now: a slot may have moved from one to another (its width or its optimizer
 * changed), and then its rows keep what both have in common.
 */
import type { EmbeddingTable } from "./embedding_table.ts";
import type { SharedLimit } from "./shared_limit.ts";
import type {
  RestorePlacement,
  SnapshotChunk,
  SnapshotHeader,
  TableRestore,
} from "./table_snapshot.ts";

/** What became of the slices of some slots, and of rows. */
export interface ClassRestoreReport {
  /** Numbers of slots that the snapshot does not know, and of slots that no table names any more: their rows are dropped. */
  readonly slotsAdded: readonly number[];
  readonly slotsRemoved: readonly number[];
  /** Slices by name, with the numbers of their slots where these are not all. */
  readonly slicesAdded: readonly string[];
  readonly slicesResized: readonly string[];
  readonly slicesRemoved: readonly string[];
  /** Their weights came back, their optimizer's state begins anew. */
  readonly slicesStateReset: readonly string[];
  /** No occurrences of ids without a row are forgotten. */
  readonly countersKept: boolean;
  readonly rowsRestored: number;
  readonly rowsOfRemovedSlots: number;
  readonly rowsWithoutRoom: number;
}

/** Takes the chunks of a snapshot. */
export interface ClassRestores {
  /**
   * @param savedClass The chunk's class in the snapshot.
   * @throws {RangeError} When the chunk is not what was written.
   */
  take(savedClass: number, chunk: SnapshotChunk): void;
  report(): ClassRestoreReport;
}

interface Route {
  /** Class of the snapshot. */
  readonly from: number;
  readonly to: number;
  readonly slots: readonly number[];
  /** Counters of ids without a row come this way: most of the slots were in this class. */
  readonly main: boolean;
  readonly restore: TableRestore;
}

export function restoreClasses(
  tables: readonly EmbeddingTable[],
  limit: SharedLimit,
  headers: readonly SnapshotHeader[],
  placement: Omit<RestorePlacement, "slots">,
): ClassRestores {
  const slotsOf = tables.map(({ options }) => options.slots.map(({ slot }) => slot));
  const [slotsBefore, slotsNow] = [headers.flatMap(({ schema }) => schema.slots), slotsOf.flat()];
  // Where no slot is named, rows of all slots are taken.
  const all = slotsNow.length === 0;
  const routes = tables.flatMap((table, to): Route[] => {
    const shared = headers.map(({ schema }) =>
      slotsOf[to].filter((slot) => schema.slots.includes(slot))
    );
    const most = Math.max(...shared.map(({ length }) => length));
    const mainClass = shared.findIndex(({ length }) => length === most);
    return headers.flatMap((header, from) => {
      if (!all && shared[from].length === 0) return [];
      const main = from === mainClass;
      const restore = table.restore(header, {
        ...placement,
        counters: placement.counters === true && main,
        ...(all ? {} : { slots: shared[from] }),
      });
      return [{ from, to, slots: shared[from], main, restore }];
    });
  });
  const several = tables.length > 1 || headers.length > 1;
  const changed = (what: "added" | "resized" | "removed" | "stateReset") =>
    routes.flatMap(({ slots, restore }) =>
      restore.report[what].map((slice) => several ? `${slice} of slots ${slots.join(", ")}` : slice)
    );
  let taken = 0;
  let elsewhere = 0;
  return {
    take(savedClass, chunk) {
      const targets = routes.filter(({ from }) => from === savedClass);
      taken += chunk.rows;
      targets.forEach(({ to, restore }, first) => {
        const before = restore.report.elsewhere;
        limit.during(to, () => restore.take(chunk));
        if (first === 0) elsewhere += restore.report.elsewhere - before;
      });
      // Nobody looks at rows that no class of now wants.
      if (targets.length === 0 && placement.shards > 1) elsewhere += chunk.rows;
    },
    report() {
      const sum = (what: "rows" | "rejected") =>
        routes.reduce((total, { restore }) => total + restore.report[what], 0);
      const [rowsRestored, rowsWithoutRoom] = [sum("rows"), sum("rejected")];
      return {
        slotsAdded: slotsNow.filter((slot) => !slotsBefore.includes(slot)),
        slotsRemoved: all ? [] : slotsBefore.filter((slot) => !slotsNow.includes(slot)),
        slicesAdded: changed("added"),
        slicesResized: changed("resized"),
        slicesRemoved: changed("removed"),
        slicesStateReset: changed("stateReset"),
        countersKept: routes.every(({ main, restore }) => !main || restore.report.countersKept),
        rowsRestored,
        rowsWithoutRoom,
        rowsOfRemovedSlots: taken - elsewhere - rowsRestored - rowsWithoutRoom,
      };
    },
  };
}
