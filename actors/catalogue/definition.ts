/**
 * The catalogue as composition spawns it: mailbox, restarts and priorities.
 */
import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import { servingRestarts } from "../../mesh/runtime/restart_policies.ts";
import { Catalogue } from "./catalogue.ts";
import type { CatalogueOptions } from "./options.ts";
import type { CatalogueMessage } from "./protocol.ts";

export type { CatalogueOptions };

export interface CatalogueDependencies {
  readonly profiles: ProfileStore;
}

export function defineCatalogue(
  { profiles }: CatalogueDependencies,
): ActorDefinition<CatalogueMessage, CatalogueOptions> {
  return {
    kind: "catalogue",
    mailbox: { capacity: 64, overflow: "reject" },
    restart: servingRestarts,
    priorityOf: () => "write",
    create: (context, options) => new Catalogue(context, options, profiles),
  };
}
