/**
 * The values of slots of items, for the feature keeper: the ids that the items' features have.
 */
import { FeatureHasher } from "../embedding/feature_hasher.ts";
import type { StoredItems } from "./count_pass.ts";
import { FeatureExtractor } from "./extractor.ts";
import type { FeatureItem } from "./feature_request.ts";
import type { FeatureSchema } from "./schema.ts";

/** A slot, and where logged features have it. */
export interface SlotColumn {
  readonly name: string;
  /** The slot's number, the upper bits of its ids. */
  readonly number: number;
  readonly column: number;
}

/** Values of some slots of the items of a request. */
export interface SlotValues {
  /** Feature ids without their slot number. */
  readonly values: Float64Array<ArrayBuffer>;
  /** List (item, slot) begins at `[item·slots + slot]`. `[items·slots + 1]` */
  readonly offsets: Uint32Array<ArrayBuffer>;
}

/** A feature id without its slot number: 48 bits, exact in a float64. */
export function valueOfId(id: bigint): number {
  return Number(id & 0xffff_ffff_ffffn);
}

export class ValuesOfItems {
  readonly #extractor: FeatureExtractor;

  /** @param slots At least one. */
  constructor(slots: readonly SlotColumn[], schema: FeatureSchema, storedItems: StoredItems) {
    const own = slots.map(({ column }) => schema.slots[column]);
    const options = { storedItems };
    this.#extractor = new FeatureExtractor(
      { slots: own, dense: [], denseWidth: 0 },
      FeatureHasher.create(),
      options,
    );
  }

  /** @throws {FeatureTypeError} An attribute is not of the type that its slot reads. */
  of(items: readonly FeatureItem[]): SlotValues {
    const { ids, listOffsets } = this.#extractor.extract({
      user: "",
      userAttributes: {},
      context: {},
      atMs: 0,
      items,
    });
    return { values: Float64Array.from(ids, valueOfId), offsets: listOffsets };
  }
}
