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
 * Replaces the text between the markers.
 *
 * @throws {Error} When the page has no such markers.
 */
export async function replaceSection({ begin, end }: Markers, section: string): Promise<void> {
  const page = await Deno.readTextFile(PAGE);
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) {
    throw new Error(
      `docs/performance/benchmarks.md has lost its markers; put back\n${begin}\n${end}`,
    );
  }
  const text = `${begin}\n\n${section}\n${end}`;
  await Deno.writeTextFile(PAGE, page.slice(0, from) + text + page.slice(to + end.length));
}

/** Processor, cores and Deno version of this machine. */
export async function machine(): Promise<string> {
  const processor = /model name\s*:\s*(.*)/.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1];
  return `${
    processor ?? "unknown processor"
  }, ${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}`;
}
