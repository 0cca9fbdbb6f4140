/**
 * The page of benchmarks: each script that reports one replaces its own section between two markers.
 */
const PAGE = new URL("../docs/performance/benchmarks.md", import.meta.url);

/** Where a section begins and ends on the page, as HTML comments. */
export interface Markers {
  readonly begin: string;
  readonly end: string;
}

/**
 * Replaces what stands between the markers.
 *
 * @throws {Error} When the page has lost them.
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

/** The machine that measured: processor, cores, Deno. */
export async function machine(): Promise<string> {
  const processor = /model name\s*:\s*(.*)/.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1];
  return `${
    processor ?? "unknown processor"
  }, ${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}`;
}
