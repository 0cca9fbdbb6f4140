/**
 * A stored profile as answers show it.
 */
import type { Profile } from "../../mesh/ports/profile_store.ts";

export function profileAnswer({ id, attributes, version, updatedAtMs }: Profile): Profile {
  return { id, attributes, version, updatedAtMs };
}
