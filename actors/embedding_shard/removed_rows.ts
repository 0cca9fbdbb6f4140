/**
 * Removes the rows of erased ids from a shard's tables, and lists the ids of whole slots, from
 * which a trainer derives the crosses of an erased id.
 */
import type { ClassTables, ExportCursor } from "../../kernels/embedding/class_tables.ts";
import type { ClassIds } from "../../kernels/embedding/row_classes.ts";
import type { ListIds, RemovedRows } from "./protocol.ts";

/** Bits of an id below its slot number. */
const SIGNATURE_BITS = 48n;

/** The slot number of a feature id. */
function slotOf(id: bigint): number {
  return Number(id >> SIGNATURE_BITS);
}

/** Removes the rows of `ids`, slot after slot, so that the rows of each slot are counted. */
export function removeRows(tables: ClassTables, { ids, starts }: ClassIds): RemovedRows["rows"] {
  const rows: Record<number, number> = {};
  const classes = starts.length - 1;
  for (let number = 0; number < classes; number++) {
    const bySlot = Map.groupBy(ids.subarray(starts[number], starts[number + 1]), slotOf);
    for (const [slot, own] of bySlot) {
      const grouped = BigUint64Array.from(own);
      const ends = Uint32Array.from(
        { length: classes + 1 },
        (_, at) => at > number ? own.length : 0,
      );
      rows[slot] = tables.remove({ ids: grouped, starts: ends });
    }
  }
  return rows;
}

/** The ids of some slots in one page of the tables. */
export function listIds(
  tables: ClassTables,
  { slots, cursor, rowsMax }: Pick<ListIds, "slots" | "cursor" | "rowsMax">,
): { readonly ids: BigUint64Array<ArrayBuffer>; readonly next?: ExportCursor } {
  const page = tables.exportRows(cursor, rowsMax);
  const ids = page.ids.filter((id) => slots.includes(slotOf(id)));
  return { ids, ...(!page.done && { next: page.cursor }) };
}
