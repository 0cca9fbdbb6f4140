/**
 * Rows of a shard as serving reads them, in the precision of its tables.
 */
import type { ServingReplicaOptions } from "../../actors/serving_replica/options.ts";
import { type ClassIds, floatStarts } from "../../kernels/embedding/row_classes.ts";
import { ClassServingTables } from "../../kernels/embedding/serving_table.ts";
import {
  precisionOf,
  servedLength,
  type ServedWeights,
} from "../../kernels/embedding/served_weights.ts";

/** Memory for the tables of one call. */
const BYTES_MAX = 64 << 20;

/**
 * The weights that a replica with these rows answers a lookup with.
 *
 * @param rows Rows of one class in any precision, or exact rows of several classes.
 */
export function asServed(
  { ids, starts }: ClassIds,
  rows: ServedWeights,
  { widths, precision }: Pick<ServingReplicaOptions, "widths" | "precision">,
): ServedWeights {
  if (precision === "fp32") return rows;
  const tables = new ClassServingTables({ widths, precision, bytesMax: BYTES_MAX });
  const floats = floatStarts(starts, widths);
  widths.forEach((width, c) => {
    const own = ids.slice(starts[c], starts[c + 1]);
    if (own.length === 0) return;
    const isAll = rows.length === servedLength(precisionOf(rows), own.length, width);
    tables.upsert(c, own, isAll ? rows : rows.slice(floats[c], floats[c + 1]));
  });
  return tables.lookup({ ids, starts }).rows;
}
