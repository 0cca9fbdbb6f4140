/**
 * The work of `cairn items list` and `cairn users list`.
 */
import type { ProfileKind } from "../../mesh/ports/profile_store.ts";
import { counted } from "../../structures/counted.ts";
import type { Output } from "../command_line.ts";
import { openCatalogue } from "./catalogue.ts";
import type { ListFlags } from "./command.ts";

export async function listCommand(
  kind: ProfileKind,
  { stale, limit, json, ...flags }: ListFlags,
  output: Output,
): Promise<void> {
  const catalogue = openCatalogue(kind, flags);
  try {
    const before = stale === undefined ? undefined : Date.now() - stale;
    const count = await catalogue.count();
    let listed = 0;
    for await (const profile of catalogue.list(before)) {
      if (listed >= limit && stale === undefined) break;
      listed++;
      if (listed > limit) continue;
      const { id, attributes, version, updatedAtMs } = profile;
      output.out(
        json
          ? `${JSON.stringify(profile)}\n`
          : `${id}  ${new Date(updatedAtMs).toISOString()}  ${counted(version, "write")}  ` +
            `${JSON.stringify(attributes)}\n`,
      );
    }
    const staleText = stale === undefined ? "" : `${listed} of them stale, `;
    const shown = Math.min(listed, limit);
    if (json) output.out(`${JSON.stringify({ count, ...(stale && { stale: listed }), shown })}\n`);
    else output.out(`${counted(count, kind)} stored, ${staleText}${shown} shown\n`);
  } finally {
    await catalogue.close();
  }
}
