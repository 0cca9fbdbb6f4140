/**
 * Edits docs/performance/benchmarks.md: each reporting script replaces its own section between two
 * markers.
 */
const PAGE = new URL("../docs/performance/benchmarks.md", import.meta.url);

/** HTML comments that begin and end a section. */
export interface Markers {
  readonly begin: string;
  readonly end: string;
}

/**
 * Replaces the text between the markers. Where the page lacks them, they are put before the line
 * `before`.
 *
 * @throws {Error} When the page has neither.
 */
export async function replaceSection(
  { begin, end }: Markers,
  section: string,
  before?: string,
): Promise<void> {
  await Deno.writeTextFile(
    PAGE,
    withSection(await Deno.readTextFile(PAGE), { begin, end }, section, before),
  );
}

/** The page with another text between the markers; see {@link replaceSection}. */
export function withSection(
  page: string,
  { begin, end }: Markers,
  section: string,
  before?: string,
): string {
  const text = `${begin}\n\n${section}\n${end}`;
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from >= 0 && to >= from) return page.slice(0, from) + text + page.slice(to + end.length);
  const at = before === undefined ? -1 : page.indexOf(before);
  if (at < 0) {
    throw new Error(
      `docs/performance/benchmarks.md has lost its markers; put back\n${
        before ?? `${begin}\n${end}`
      }`,
    );
  }
  return `${page.slice(0, at)}${text}\n\n${page.slice(at)}`;
}

/** Processor, cores and Deno version of this machine. */
export async function machine(): Promise<string> {
  const processor = /model name\s*:\s*(.*)/.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1];
  return `${
    processor ?? "unknown processor"
  }, ${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}`;
}
