/**
 * Runs all tests.
 *
 *     deno task test                        on all cores
 *     deno task test --junit-path=all.xml   with options of `deno test`
 *
 * `deno test` gives each module an isolate, and loading what a small file of tests imports takes
 * longer than its tests. So one module imports all files of a folder, but for folders whose files
 * take seconds each: these run side by side.
 */
import { listSourceFiles } from "./source_files.ts";

/** Files that take long, and folders of such files: one isolate for each file. */
const apart = [
  ...["docs", "integration", "mesh/adapters/redis", "simulation/mesh"],
  ...["campaign", "found_seeds", "permissions"].map((name) => `simulation/${name}.test.ts`),
];

/** They take longest, so they begin first: at the end, the other core would be idle meanwhile. */
const first = ["simulation/world.test.ts", "docs/mesh_session.test.ts", "soak/soak.test.ts"];

/** Test files that share an isolate. */
export interface TestModule {
  /** A path below `tests/`: that of the only file, or of the folder with the ending of a test. */
  readonly path: string;
  /** Paths below `tests/`. */
  readonly files: readonly string[];
}

/**
 * The modules to run, in their order: folders, which compute, evenly spread among files that wait
 * for processes.
 *
 * @param files All test files, by their paths below `tests/`.
 */
export function testModules(files: readonly string[]): TestModule[] {
  const byPath = new Map<string, string[]>();
  for (const file of files) {
    const folder = file.slice(0, file.lastIndexOf("/"));
    const isApart = [folder, file].some((path) => apart.includes(path)) || first.includes(file);
    const path = isApart ? file : `${folder}.test.ts`;
    byPath.set(path, [...byPath.get(path) ?? [], file]);
  }
  const modules = [...byPath].map(([path, files]): TestModule => ({ path, files }));
  const isFirst = ({ path }: TestModule) => first.includes(path);
  const rest = modules.filter((module) => !isFirst(module));
  const isAlone = ({ files }: TestModule) => files.length === 1;
  const places = [rest.filter(isAlone), rest.filter((module) => !isAlone(module))].flatMap((list) =>
    list.map((module, i) => ({ module, place: (i + 0.5) / list.length }))
  );
  const spread = places.sort((a, b) => a.place - b.place).map(({ module }) => module);
  return [...modules.filter(isFirst), ...spread];
}

/** Runs the modules of all files below `tests`; the exit code of `deno test`. */
async function runTests(root: string, options: readonly string[]): Promise<number> {
  const tests = `${root}tests/`;
  const files = (await listSourceFiles(root))
    .filter((path) => path.startsWith(tests) && path.endsWith(".test.ts"))
    .map((path) => path.slice(tests.length));
  const folder = await Deno.makeTempDir({ prefix: "cairn-tests-" });
  try {
    const paths: string[] = [];
    for (const { path, files: imported } of testModules(files)) {
      if (imported.length === 1) {
        paths.push(tests + imported[0]);
        continue;
      }
      const module = `${folder}/${path}`;
      await Deno.mkdir(module.slice(0, module.lastIndexOf("/")), { recursive: true });
      const imports = imported.map((file) => `import ${JSON.stringify(`file://${tests}${file}`)};`);
      await Deno.writeTextFile(module, imports.join("\n") + "\n");
      paths.push(module);
    }
    const args = ["task", "-q", "test:of", ...options, ...paths];
    return (await new Deno.Command(Deno.execPath(), { args, cwd: root }).spawn().status).code;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  Deno.exitCode = await runTests(new URL("../", import.meta.url).pathname, Deno.args);
}
