/**
 * The warning of a host that cannot renew its lease: what its parts do meanwhile, and the cause.
 */
import { type Role, roles } from "../configuration/sections/hosts.ts";
import type { HostDescription } from "../mesh/ports/coordination.ts";

const meanwhile: Readonly<Record<Role, string>> = {
  serving: "rankings go on",
  shards: "its shards go on",
  trainer: "its trainers stand still and publish no snapshot",
  joiner: "its joiners stand still",
};

const list = new Intl.ListFormat("en-GB", { type: "conjunction" });

/** @param failure The last attempt to renew it; undefined where none has failed yet. */
export function leaseEndText(
  { host, roles: own }: Pick<HostDescription, "host" | "roles">,
  failure: Error = new Error("no renewal has been answered."),
): string {
  const parts = roles.filter((role) => own.includes(role)).map((role) => meanwhile[role]);
  return `the lease of host ${host} has ended; until it is renewed, ${list.format(parts)}: ` +
    failure.message;
}
