/**
 * The catalogue's configuration, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";

/** Its retriever. */
export interface CatalogueOptions {
  readonly retriever: Address;
}
