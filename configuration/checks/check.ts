/**
 * The form of checks between values of several sections.
 */
import type { ConfigurationPath, Finding } from "../problems.ts";
import type { CairnFile } from "../schema.ts";
import { misspeltName } from "../../structures/nearest_name.ts";

/** Limits of the machine, or of the container, that the configuration is for. */
export interface HostLimits {
  readonly memoryBytes: number;
}

/** The sections that are valid by themselves. */
export type Sections = Partial<CairnFile>;

/** Finds contradictions between values; sections that are missing are not checked. */
export type Check = (sections: Sections, host: HostLimits | undefined) => Iterable<Finding>;

/** The finding for a name that is not defined, with the nearest name that is. */
export function unknownName(
  path: ConfigurationPath,
  name: string,
  what: string,
  known: readonly string[],
): Finding {
  const near = misspeltName(name, known);
  const instead = near !== undefined
    ? `did you mean "${near}"?`
    : known.length > 0
    ? `known: ${known.join(", ")}.`
    : "none is defined.";
  return { path, message: `unknown ${what} "${name}"; ${instead}` };
}
