/**
 * The advice to undrain hosts: where no other host can take what leaves one, and where a command
 * that ends plans was meant to end a drain.
 */
import type { MeshView } from "../../mesh/ports/coordination.ts";

/**
 * The other way where hosts that run and are draining could take all parts that stay, as the end of
 * a sentence; empty where there is none.
 *
 * @param roles The roles that the parts need.
 */
export function orUndrain(
  { hosts, nowMs }: Pick<MeshView, "hosts" | "nowMs">,
  host: string,
  roles: readonly string[],
): string {
  const draining = [...hosts.values()].filter((each) =>
    each.host !== host && each.state === "draining" && each.expiresMs > nowMs
  );
  const withRoles = (needed: readonly string[]) =>
    draining.filter((each) => needed.every((role) => each.roles.includes(role)))
      .map((each) => each.host).join(" or ");
  const all = withRoles(roles);
  if (all !== "") return `, or undrain ${all}`;
  const apiece = roles.map((role) => [role, withRoles([role])]);
  if (apiece.some(([, names]) => names === "")) return "";
  const each = apiece.map(([role, names]) => `${names} for the role ${role}`);
  return `, or undrain ${each.join(" and ")}`;
}

/** The commands that end the drains under way, as a further sentence; empty where there is none. */
export function drainsEnd({ hosts }: Pick<MeshView, "hosts">): string {
  const commands = [...hosts.values()].filter(({ state }) => state === "draining")
    .map(({ host }) => `cairn undrain ${host}`);
  if (commands.length === 0) return "";
  return ` A drain is no plan: ${commands.join(", ")} ${commands.length > 1 ? "end" : "ends"} it.`;
}
