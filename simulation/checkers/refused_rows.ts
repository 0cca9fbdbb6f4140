/**
 * Rows that no model can learn are put aside and recorded, and no others.
 *
 *     at the end, ∀ partition p:
 *         rows(quarantine(p)) = rows of p with a label whose square is no float32,
 *                               without those of erased ids, and the newest 200 of them
 *
 * A row may be refused by several incarnations of a trainer: it is recorded once.
 */
import { readQuarantine, ROWS_MAX } from "../../records/quarantine.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import type { RunningMesh } from "../../server/compose.ts";
import type { CheckerFactory } from "./checker.ts";
import { decodedChunks } from "./decoded_records.ts";
import { idsOfRows, refusableRows } from "./example_rows.ts";

/** Time until a trainer writes a quarantine again that the blob store has refused, ms. */
const WRITTEN_MS_MAX = 20_000;
const PAUSE_MS = 500;
/** Bits of a feature id that an erasure names. */
const SIGNATURE_BITS = 48;

/** @param running The process at the end of the run. */
export function refusedRows(running: () => RunningMesh | undefined): CheckerFactory {
  return (context) => {
    /** Ids of each row that must be refused, by partition and number. */
    const refusable = new Map<number, Map<number, BigUint64Array>>();
    const erased = new Set<number>();
    const isErased = (id: bigint) => erased.has(Number(BigInt.asUintN(SIGNATURE_BITS, id)));
    const differenceIn = async ({ stores }: RunningMesh): Promise<string | undefined> => {
      for (const [partition, rows] of refusable) {
        const source = gradientSource(partition);
        const { rows: recorded } = await readQuarantine(stores.blobs, source);
        const found = recorded.map(({ row }) => row);
        const twice = found.find((row, i) => found.indexOf(row) < i);
        if (twice !== undefined) return `row ${twice} of ${source} is recorded twice`;
        const sound = found.find((row) => !rows.has(row));
        if (sound !== undefined) return `row ${sound} of ${source} was refused, and is sound`;
        const due = [...rows].filter(([, ids]) => !ids.some(isErased))
          .map(([row]) => row).slice(-ROWS_MAX);
        const missing = due.find((row) => !found.includes(row));
        if (missing !== undefined) return `row ${missing} of ${source} is in no quarantine`;
      }
      return undefined;
    };
    return {
      name: "refused-rows",
      durable(log, partition, records) {
        if (log !== "examples") return;
        const rows = refusable.get(partition) ?? new Map<number, BigUint64Array>();
        refusable.set(partition, rows);
        for (const chunk of decodedChunks(records)) {
          const ids = idsOfRows(chunk);
          refusableRows(chunk).forEach((isRefusable, i) => {
            if (isRefusable) rows.set(chunk.firstRow + i, ids[i]);
          });
          for (const { signature } of chunk.forget ?? []) erased.add(signature);
        }
      },
      async atEnd() {
        const mesh = running();
        if (mesh === undefined) return;
        const { clock } = mesh.mesh.home;
        const endsMs = clock.monotonicMs() + WRITTEN_MS_MAX;
        let difference = await differenceIn(mesh);
        while (difference !== undefined && clock.monotonicMs() < endsMs) {
          await new Promise<void>((resolve) => void clock.schedule(PAUSE_MS, resolve));
          difference = await differenceIn(mesh);
        }
        if (difference !== undefined) context.fail(difference);
      },
    };
  };
}
