/**
 * The sections of a configuration in which all hosts of a mesh must agree, because their actors
 * exchange the data that these sections describe.
 */

/** Digests of the sections, by the names that an operator knows from the file. */
export type AgreedSections = Readonly<Record<string, string>>;

/**
 * The section of all hosts; those of one host begin with it, as `mesh.hosts.edge`, and are compared
 * only where both files have them.
 */
export const HOSTS_SECTION = "mesh.hosts";

/** The sections in which two hosts differ that may not run beside each other. */
export function clashingSections(own: AgreedSections, other: AgreedSections): string[] {
  const sections = new Set([...Object.keys(own), ...Object.keys(other)]);
  return [...sections].filter((name) => {
    const [here, there] = [own[name], other[name]];
    const haveBoth = here !== undefined && there !== undefined;
    return here !== there && (haveBoth || !name.startsWith(HOSTS_SECTION));
  });
}
