/**
 * Lints the documentation of the public interfaces: ports, protocols, options and the kernels'
 * classes. `deno doc --lint` reads all sources as one set, so that an interface may name any
 * exported type; only findings in the public interfaces count.
 *
 * Every exported function, class, method, interface and type needs a docstring. A plain data field
 * whose name and unit say everything (`readonly rows: number`) needs none.
 *
 *     deno run -A scripts/check_docs.ts
 */
import { listSourceFiles, rooms } from "./source_files.ts";

/** Files that other rooms read and import. */
export const publicInterfaces: readonly RegExp[] = [
  /^structures\/[^/]+\.ts$/,
  /^mesh\/ports\/[^/]+\.ts$/,
  /^mesh\/runtime\/(actor|errors|mesh)\.ts$/,
  /^actors\/[^/]+\/(protocol|options)\.ts$/,
  /^kernels\/embedding\/(options|embedding_table|serving_table|batch_kernel|feature_hasher)\.ts$/,
  /^kernels\/features\/(feature_batch|schema|extractor)\.ts$/,
  /^records\/[^/]+\.ts$/,
  /^kernels\/dense\/(weights|training_session|inference_session)\.ts$/,
];

/** A finding of `deno doc --lint`. */
export interface DocFinding {
  readonly code: string;
  readonly message: string;
  readonly path: string;
  readonly line: number;
  readonly sourceLine: string;
}

const dataField = /^\s*(override |static |public )*readonly ("?\w+"?|\[\w+\])\??( =|:(?!.*=>))/;
const dataParameter = /^\s*((private |public )?readonly \w+\??: (?!.*=>)|constructor\()/;

/** Whether the finding asks for a docstring where the name says enough. */
export function isSelfEvident(finding: DocFinding): boolean {
  if (finding.code !== "missing-jsdoc") return false;
  return dataField.test(finding.sourceLine) || dataParameter.test(finding.sourceLine);
}

/** Reads the findings from the linter's output (without colours). */
export function parseFindings(text: string): DocFinding[] {
  const pattern = /^error\[([\w-]+)\]: (.*)\n\s*--> (.*):(\d+):\d+\n(?:.*\|\s*\n)?\s*\d+ \|(.*)$/gm;
  return [...text.matchAll(pattern)].map(([, code, message, path, line, sourceLine]) => ({
    code,
    message,
    path,
    line: Number(line),
    sourceLine,
  }));
}

if (import.meta.main) {
  const root = new URL("../", import.meta.url).pathname;
  const files = (await listSourceFiles(root)).filter((path) =>
    rooms.some((room) => path.startsWith(`${root}${room}/`))
  );
  const isPublic = (path: string) =>
    publicInterfaces.some((pattern) => pattern.test(path.replace(root, "")));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", ...files],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const all = parseFindings(text);
  const stated = Number(
    /Found (\d+) documentation lint error/.exec(text)?.[1] ?? (code === 0 ? 0 : -1),
  );
  if (stated !== all.length) {
    console.error(text);
    throw new Error(`deno doc --lint reports ${stated} findings, but ${all.length} were parsed`);
  }
  const findings = all.filter((finding) => isPublic(finding.path) && !isSelfEvident(finding));
  for (const { path, line, message, sourceLine } of findings) {
    console.error(`${path.replace(root, "")}:${line} ${message}:${sourceLine}`);
  }
  console.log(
    `docs: ${files.filter(isPublic).length} public interfaces, ${findings.length} findings`,
  );
  if (findings.length > 0 || !files.some(isPublic)) Deno.exit(1);
}
