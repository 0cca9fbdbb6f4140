/**
 * The messages of a retriever: items in, the nearest ones to a user or an item out.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { FilterScope } from "../../rules/compile_expression.ts";
import type { CatalogueItem } from "../catalogue/protocol.ts";

/** Items that were stored, changed or deleted. An item that comes again replaces itself. */
export interface PutItems extends Request<RetrieverState> {
  readonly kind: "putItems";
  readonly items: readonly CatalogueItem[];
  /**
   * Set in pages of a listing of all stored items. At its end, items that have not come since it
   * began are deleted: they were deleted while no catalogue ran.
   */
  readonly listing?: { readonly begins: boolean; readonly ends: boolean };
}

/** The contents of a retriever. */
export interface RetrieverState {
  /** Changes with each start, after which the retriever is empty. */
  readonly incarnation: string;
  /** Whether all stored items have come since its start. */
  readonly isComplete: boolean;
  readonly items: number;
  /** Items whose vectors are computed. */
  readonly embedded: number;
  /** New and changed items whose vectors are computed next. */
  readonly waiting: number;
  /** Items left out because `itemsMax` are held. */
  readonly leftOut: number;
}

/** Asks for {@link RetrieverState}. */
export interface GetRetrieverState extends Request<RetrieverState> {
  readonly kind: "getState";
}

/** Asks for some items at random, each with the same chance. */
export interface SampleItems extends Request<SampledItems> {
  readonly kind: "sampleItems";
  readonly count: number;
  /** Decides the sample, in [0, 1). */
  readonly draw: number;
  /** Conditions on every item. A condition on attributes that the retriever lacks always holds. */
  readonly filter: readonly string[];
  readonly scope: FilterScope;
}

/** A sample; fewer items than asked for where a condition of the request does not hold for some. */
export interface SampledItems {
  readonly ids: readonly string[];
}

/** Sources of the retriever: the model's inner products, or the newest by an attribute. */
export type RetrieverSource = "model" | "recent";

/** Asks for candidates for a user. */
export interface Retrieve extends Request<Retrieved> {
  readonly kind: "retrieve";
  /** One row; only the slots that are the same for each item are read. */
  readonly features: FeatureBatch;
  readonly sources: readonly RetrieverSource[];
  /** Candidates of each source at most. */
  readonly count: number;
  /** Conditions that every candidate meets. */
  readonly filter: readonly string[];
  readonly scope: FilterScope;
}

/** Asks for the items that are nearest to an item, without the item itself. */
export interface RetrieveSimilar extends Request<Retrieved> {
  readonly kind: "retrieveSimilar";
  readonly item: string;
  readonly count: number;
  readonly filter: readonly string[];
  readonly scope: FilterScope;
}

/** Candidates, source by source, the best first; an item of several sources is listed once. */
export interface Retrieved {
  readonly items: readonly {
    readonly id: string;
    readonly sources: readonly RetrieverSource[];
  }[];
  /** Inner product with bias or cosine by item; NaN for an item of another source. */
  readonly scores: Float32Array<ArrayBuffer>;
}

/** Computes the vectors of the next items. The retriever sends it to itself. */
export interface RefreshVectors {
  readonly kind: "refreshVectors";
}

/** All that a retriever understands. */
export type RetrieverMessage =
  | PutItems
  | GetRetrieverState
  | Retrieve
  | RetrieveSimilar
  | SampleItems
  | RefreshVectors;

/** The retriever has not got all stored items yet, and the item is not among them. */
export class ItemsUnreadError extends Error {
  override readonly name = "ItemsUnreadError";
  constructor(item: string) {
    super(`The stored items are still being read, and "${item}" is not among them so far.`);
  }
}

/** The retriever does not have the item, or has no vector of it yet. */
export class UnknownItemError extends Error {
  override readonly name = "UnknownItemError";
  constructor(item: string) {
    super(
      `No attributes are stored for item "${item}", so nothing is similar to it; store them with ` +
        `PUT /v1/items/{id} ({"attributes": {}} if it has none).`,
    );
  }
}
