/**
 * Checks the layers: reads the module graph from Deno and refuses an import that goes against
 * ARCHITECTURE.md's layers, that closes a cycle, or that takes a payload from its receiver.
 *
 *     deno run -A scripts/check_layers.ts
 */
import { present } from "../structures/invariant.ts";
import { strayPayloads } from "./payload_owners.ts";
import { fromFileUrl, listSourceFiles } from "./source_files.ts";

/** One import: paths relative to the repository's root. */
export interface ImportEdge {
  readonly from: string;
  /** From 1. */
  readonly line: number;
  readonly to: string;
  /** Erased by the compiler: counts for the layers, not for cycles. */
  readonly typeOnly: boolean;
}

/**
 * One row of the table of layers. The first row whose `room` matches the importing path applies.
 */
interface Layer {
  readonly room: RegExp;
  /** Targets besides the room itself; {@link anything} allows all. */
  readonly mayImport: readonly RegExp[];
  /** `mayImport` in words, for the finding. */
  readonly inWords: string;
}

const anything = /^/;
const structures = /^structures\//;
const meshCore = /^mesh\/(runtime|ports)\//;
const ports = /^mesh\/ports\//;
const placement = /^mesh\/placement\//;
const kernels = /^kernels\//;
const records = /^records\//;
const rules = /^rules\//;
const protocols = /^actors\/[^/]+\/protocol\.ts$/;

/** The imports that each room may have. */
export const layers: readonly Layer[] = [
  { room: /^(main\.ts$|cli\/|scripts\/|tests\/)/, mayImport: [anything], inWords: "anything" },
  {
    room: /^simulation\//,
    mayImport: [/^(structures|records|rules|kernels|mesh|actors|gateway|configuration|server)\//],
    inWords:
      "structures/, records/, rules/, kernels/, mesh/, actors/, gateway/, configuration/ and server/",
  },
  {
    room: /^offline\//,
    mayImport: [/^(structures|records|rules|kernels|mesh|actors|configuration|server)\//],
    inWords: "structures/, records/, rules/, kernels/, mesh/, actors/, configuration/ and server/",
  },
  {
    room: /^server\/machine\//,
    mayImport: [/^(structures|records|rules|kernels|mesh|actors|gateway|configuration|server)\//],
    inWords:
      "structures/, records/, rules/, kernels/, mesh/, actors/, gateway/, configuration/ and server/",
  },
  {
    room: /^server\/(?!machine\/)/,
    mayImport: [
      meshCore,
      placement,
      /^(structures|records|rules|kernels|actors|gateway|configuration)\//,
    ],
    inWords:
      "structures/, records/, rules/, kernels/, mesh/runtime, mesh/ports, mesh/placement, actors/, gateway/ and configuration/",
  },
  {
    room: /^configuration\//,
    mayImport: [
      structures,
      kernels,
      rules,
      /^mesh\//,
      protocols,
      /^(actors\/[^/]+|gateway)\/options\.ts$/,
    ],
    inWords: "structures/, kernels/, rules/, mesh/, actors/*/protocol.ts and options.ts",
  },
  {
    room: /^gateway\//,
    mayImport: [structures, records, rules, meshCore, protocols],
    inWords: "structures/, records/, rules/, mesh/runtime, mesh/ports and actors/*/protocol.ts",
  },
  {
    room: /^actors\/[^/]+\//,
    mayImport: [structures, records, rules, meshCore, kernels, protocols],
    inWords:
      "structures/, records/, rules/, kernels/, mesh/runtime, mesh/ports and actors/*/protocol.ts",
  },
  { room: rules, mayImport: [structures, ports], inWords: "structures/ and mesh/ports" },
  {
    room: records,
    mayImport: [structures, kernels, ports],
    inWords: "structures/, kernels/ and mesh/ports",
  },
  {
    room: /^mesh\/adapters\//,
    mayImport: [structures, meshCore],
    inWords: "structures/, mesh/runtime and mesh/ports",
  },
  {
    room: /^mesh\/simulation\//,
    mayImport: [structures, meshCore],
    inWords: "structures/, mesh/runtime and mesh/ports",
  },
  {
    room: placement,
    mayImport: [structures, ports],
    inWords: "structures/ and mesh/ports",
  },
  {
    room: meshCore,
    mayImport: [structures, meshCore],
    inWords: "structures/, mesh/runtime and mesh/ports",
  },
  { room: kernels, mayImport: [structures], inWords: "structures/" },
  { room: structures, mayImport: [], inWords: "nothing" },
  { room: /^clients\//, mayImport: [], inWords: "nothing" },
];

/** The finding for `edge`, in words; undefined where the layers allow it. */
export function violation(edge: ImportEdge): string | undefined {
  const layer = layerOf(edge.from);
  if (layer === undefined) {
    return `${edge.from}:${edge.line} lies in no room; move it, or give its folder a row in scripts/check_layers.ts`;
  }
  const [room] = present(layer.room.exec(edge.from), "the layer was found by this pattern");
  const isSameRoom = edge.to.startsWith(room) && layerOf(edge.to) === layer;
  const allowed = isSameRoom ||
    layer.mayImport.some((target) => target.test(edge.to));
  if (allowed) return undefined;
  return `${edge.from}:${edge.line} imports ${edge.to}; ${room} may import ${layer.inWords}`;
}

function layerOf(path: string): Layer | undefined {
  return layers.find(({ room }) => room.test(path));
}

/**
 * Each cycle of imports that run, once, as the paths along it; the first is repeated at the end.
 */
export function importCycles(edges: readonly ImportEdge[]): string[][] {
  const targets = new Map<string, string[]>();
  for (const { from, to, typeOnly } of edges) {
    if (!typeOnly) targets.set(from, [...targets.get(from) ?? [], to]);
  }
  const done = new Set<string>();
  const cycles: string[][] = [];
  const walk = (path: string, trail: string[]) => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) {
      cycles.push([...trail.slice(seenAt), path]);
      return;
    }
    if (done.has(path)) return;
    for (const next of targets.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of targets.keys()) walk(path, []);
  return cycles;
}

/** The fields of `deno info --json` that this script reads. */
interface ModuleGraph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: GraphTarget;
      readonly type?: GraphTarget;
    }[];
  }[];
}

interface GraphTarget {
  readonly specifier?: string;
  readonly error?: string;
  readonly span: { readonly start: { readonly line: number } };
}

/** All imports among `files` (absolute paths) under `root`, type and dynamic imports included. */
export async function readImports(root: string, files: readonly string[]): Promise<ImportEdge[]> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const lines = files.map((file) => `import ${JSON.stringify(`file://${file}`)};`);
    await Deno.writeTextFile(entry, lines.join("\n"));
    const config = `${root}deno.json`;
    const hasConfig = await Deno.stat(config).then(() => true, () => false);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", ...(hasConfig ? ["--config", config] : ["--no-config"]), entry],
    }).output();
    const text = new TextDecoder().decode(stdout);
    if (code !== 0) throw new Error(`deno info failed: ${new TextDecoder().decode(stderr)}${text}`);
    return edgesOf(JSON.parse(text), root);
  } finally {
    await Deno.remove(entry);
  }
}

function edgesOf(graph: ModuleGraph, root: string): ImportEdge[] {
  const edges: ImportEdge[] = [];
  for (const module of graph.modules) {
    const from = fromFileUrl(module.specifier);
    if (!from?.startsWith(root) || from.includes("/node_modules/")) continue;
    if (module.error !== undefined) {
      throw new Error(`Cannot read the imports of ${from}: ${module.error}`);
    }
    for (const dependency of module.dependencies ?? []) {
      const targets = new Set<string>();
      for (const target of [dependency.code, dependency.type]) {
        if (target?.specifier === undefined || targets.has(target.specifier)) continue;
        targets.add(target.specifier);
        const to = fromFileUrl(target.specifier);
        if (!to?.startsWith(root) || to.includes("/node_modules/")) continue;
        edges.push({
          from: from.slice(root.length),
          line: target.span.start.line + 1,
          to: to.slice(root.length),
          typeOnly: target !== dependency.code,
        });
      }
    }
  }
  return edges;
}

/** All findings for the tree under `root` (with a trailing slash), one line each. */
export async function checkLayers(root: string): Promise<{ imports: number; findings: string[] }> {
  const files = await listSourceFiles(root);
  const edges = await readImports(root, files);
  const findings = edges.map(violation).filter((finding) => finding !== undefined);
  for (const cycle of importCycles(edges)) {
    findings.push(
      `import cycle: ${cycle.join(" -> ")}; move the shared part into a file of its own`,
    );
  }
  findings.push(...strayPayloads(await textsOf(root, files, /^actors\//)));
  return { imports: edges.length, findings };
}

/** The texts of the files of some rooms, by paths relative to the root. */
async function textsOf(
  root: string,
  files: readonly string[],
  rooms: RegExp,
): Promise<Map<string, string>> {
  const paths = files.map((file) => file.slice(root.length)).filter((path) => rooms.test(path));
  return new Map(
    await Promise.all(
      paths.map(async (path) => [path, await Deno.readTextFile(root + path)] as const),
    ),
  );
}

if (import.meta.main) {
  const { imports, findings } = await checkLayers(new URL("../", import.meta.url).pathname);
  for (const finding of findings) console.error(finding);
  console.log(`layers: ${imports} imports, ${findings.length} against the layers`);
  if (findings.length > 0 || imports === 0) Deno.exit(1);
}
