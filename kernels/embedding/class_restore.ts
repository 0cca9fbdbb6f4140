/**
 * Restoring the classes of a snapshot into the current classes. A slot may have moved to another
 * class, if its width or optimizer changed; its rows then keep the slices that both classes have.
 */
import type { EmbeddingTable } from "./embedding_table.ts";
import type { SharedLimit } from "./shared_limit.ts";
import { REMOVED_ID_BYTES, type SnapshotChunk, type SnapshotHeader } from "./table_snapshot.ts";
import type { RestoreSelection, TableRestore } from "./table_restore.ts";

/** Outcome of a restore, for slots, slices and rows. */
export interface ClassRestoreReport {
  /**
   * Slots that the snapshot does not have, and slots that no table has any more. Rows of the latter
   * are dropped.
   */
  readonly slotsAdded: readonly number[];
  readonly slotsRemoved: readonly number[];
  /** Slices by name, with the numbers of their slots if these are not all. */
  readonly slicesAdded: readonly string[];
  readonly slicesResized: readonly string[];
  readonly slicesRemoved: readonly string[];
  /** Slices whose weights were restored, with a new optimizer state. */
  readonly slicesStateReset: readonly string[];
  /** Whether all occurrences of ids without a row were restored. */
  readonly countersComplete: boolean;
  readonly rowsRestored: number;
  readonly rowsOfRemovedSlots: number;
  readonly rowsWithoutRoom: number;
  /** Rows removed because an increment says so. */
  readonly rowsRemoved: number;
}

/** Restores the chunks of a snapshot. */
export interface ClassRestores {
  /**
   * @param savedClass The chunk's class in the snapshot.
   * @throws {RangeError} When the chunk is not as it was written.
   */
  take(savedClass: number, chunk: SnapshotChunk): void;
  /**
   * The outcome, after the last chunk.
   *
   * @throws {RangeError} When a chunk is missing, or one was taken twice.
   */
  report(): ClassRestoreReport;
}

interface Route {
  /** Class in the snapshot. */
  readonly from: number;
  readonly to: number;
  readonly slots: readonly number[];
  /**
   * Whether counters of ids without a row take this route: most slots of the table were in class
   * `from`.
   */
  readonly main: boolean;
  readonly restore: TableRestore;
}

export function restoreClasses(
  tables: readonly EmbeddingTable[],
  limit: SharedLimit,
  headers: readonly SnapshotHeader[],
  selection: Omit<RestoreSelection, "slots">,
): ClassRestores {
  const slotsOf = tables.map(({ options }) => options.slots.map(({ number }) => number));
  const [slotsBefore, slotsNow] = [headers.flatMap(({ schema }) => schema.slots), slotsOf.flat()];
  // If the tables name no slot, they take rows of all slots.
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
        ...selection,
        counters: selection.counters === true && main,
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
  const taken = headers.map(() => 0);
  const removed = headers.map(() => 0);
  let elsewhere = 0;
  return {
    take(savedClass, chunk) {
      const targets = routes.filter(({ from }) => from === savedClass);
      if (savedClass in taken) taken[savedClass] += chunk.rows;
      if (chunk.holds === "removed") {
        removed[savedClass] += chunk.bytes.byteLength / REMOVED_ID_BYTES;
      }
      targets.forEach(({ to, restore }, first) => {
        const before = restore.report.elsewhere;
        limit.during(to, () => restore.take(chunk));
        if (first === 0) elsewhere += restore.report.elsewhere - before;
      });
      // No route reads these rows; with several shards they count as rows of another shard.
      if (targets.length === 0 && selection.shards > 1) elsewhere += chunk.rows;
    },
    report() {
      headers.forEach((header, savedClass) => {
        const counts = [
          ["rows", taken[savedClass], header.rows],
          ["removed ids", removed[savedClass], header.removed],
        ] as const;
        for (const [what, found, expected] of counts) {
          if (found === expected) continue;
          throw new RangeError(
            `Cannot restore a snapshot: its chunks hold ${found} ${what} of class ${savedClass}, ` +
              `and its header says ${expected}`,
          );
        }
      });
      const takenRows = taken.reduce((total, rows) => total + rows, 0);
      const sum = (what: "rows" | "rejected" | "rowsRemoved") =>
        routes.reduce((total, { restore }) => total + restore.report[what], 0);
      const [rowsRestored, rowsWithoutRoom] = [sum("rows"), sum("rejected")];
      return {
        slotsAdded: slotsNow.filter((slot) => !slotsBefore.includes(slot)),
        slotsRemoved: all ? [] : slotsBefore.filter((slot) => !slotsNow.includes(slot)),
        slicesAdded: changed("added"),
        slicesResized: changed("resized"),
        slicesRemoved: changed("removed"),
        slicesStateReset: changed("stateReset"),
        countersComplete: routes.every(({ main, restore }) =>
          !main || restore.report.countersComplete
        ),
        rowsRestored,
        rowsWithoutRoom,
        rowsRemoved: sum("rowsRemoved"),
        rowsOfRemovedSlots: takenRows - elsewhere - rowsRestored - rowsWithoutRoom,
      };
    },
  };
}
