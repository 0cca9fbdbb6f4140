/**
 * Rows that no model can learn are put aside and recorded, and no others.
 *
 *     at the end, ∀ partition p, with R = rows of p with a label whose square is no float32:
 *         rows(quarantine(p)) ⊆ R, each once, and none that an erasure behind it names
 *         each of the newest 200 of R that no erasure names is in rows(quarantine(p))
 *
 * A row may be refused by several incarnations of a trainer: it is recorded once. A row may have an
 * id whose erasure is before it, of a ranking that was under way: a trainer of several partitions
 * may come to the erasure in another one later.
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

/** One partition of the example log. */
interface Partition {
  /** Ids of each row that must be refused, by number. */
  readonly refusable: Map<number, BigUint64Array>;
  /** Number of the newest erasure, by signature. */
  readonly erasures: Map<number, number>;
}

/** @param running The process at the end of the run. */
export function refusedRows(
  running: () => Pick<RunningMesh, "stores" | "mesh"> | undefined,
): CheckerFactory {
  return (context) => {
    const partitions = new Map<number, Partition>();
    const isErased = (id: bigint) =>
      partitions.values().some(({ erasures }) => erasures.has(signatureIn(id)));
    const differenceIn = async (
      { stores }: Pick<RunningMesh, "stores">,
    ): Promise<string | undefined> => {
      for (const [partition, { refusable, erasures }] of partitions) {
        const source = gradientSource(partition);
        const { rows: recorded } = await readQuarantine(stores.blobs, source);
        const found = recorded.map(({ row }) => row);
        const twice = found.find((row, i) => found.indexOf(row) < i);
        if (twice !== undefined) return `row ${twice} of ${source} is recorded twice`;
        const sound = found.find((row) => !refusable.has(row));
        if (sound !== undefined) return `row ${sound} of ${source} was refused, and is sound`;
        const erased = found.find((row) =>
          refusable.get(row)?.some((id) => (erasures.get(signatureIn(id)) ?? row) > row)
        );
        if (erased !== undefined) {
          return `row ${erased} of ${source} has an id that was erased, and is still recorded`;
        }
        const [missing] = [...refusable].slice(-ROWS_MAX)
          .find(([row, ids]) => !found.includes(row) && !ids.some(isErased)) ?? [];
        if (missing !== undefined) return `row ${missing} of ${source} is in no quarantine`;
      }
      return undefined;
    };
    return {
      name: "refused-rows",
      durable(log, partition, records) {
        if (log !== "examples") return;
        const { refusable, erasures } = partitions.get(partition) ??
          { refusable: new Map<number, BigUint64Array>(), erasures: new Map<number, number>() };
        partitions.set(partition, { refusable, erasures });
        for (const chunk of decodedChunks(records)) {
          const ids = idsOfRows(chunk);
          refusableRows(chunk).forEach((isRefusable, i) => {
            if (isRefusable) refusable.set(chunk.firstRow + i, ids[i]);
          });
          for (const { signature } of chunk.forget ?? []) erasures.set(signature, chunk.firstRow);
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

/** The signature that an erasure of the id's user would have. */
function signatureIn(id: bigint): number {
  return Number(BigInt.asUintN(SIGNATURE_BITS, id));
}
