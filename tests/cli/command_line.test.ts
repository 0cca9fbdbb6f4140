import assert from "node:assert/strict";
import { datasetKinds } from "../../offline/datasets/open_dataset.ts";
import { modelSection } from "../../configuration/sections/model.ts";
import { openDataDirectory } from "../../mesh/adapters/embedded/data_directory.ts";
import { placementCommands } from "../../cli/placement/command.ts";
import { runCaptured } from "./captured_command.ts";

Deno.test("without a command it explains itself on stderr and exits with 2", async () => {
  const { code, out, err } = await runCaptured();
  assert.equal(code, 2);
  assert.equal(out, "");
  assert.match(err, /Usage: cairn/);
});

Deno.test("--help and --version answer on stdout and exit with 0", async () => {
  const help = await runCaptured("--help");
  assert.equal(help.code, 0);
  for (const command of ["serve", "demo", "train", "replay", "model"]) {
    assert.match(help.out, new RegExp(`^ {2}${command} `, "m"));
  }
  const version = await runCaptured("--version");
  assert.equal(version.code, 0);
  assert.match(version.out, /^cairn \d+\.\d+\.\d+\ndeno .*\nformats: logs \d+, snapshots \d+\n$/);
});

Deno.test("a command whose output is cut off by its reader ends without an error", async () => {
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const command = `"${Deno.execPath()}" run -A --no-check "${main}" serve --help`;
  const shell = new Deno.Command("bash", {
    args: ["-c", `set -o pipefail; ${command} | true`],
  });
  const { code, stderr } = await shell.output();
  assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
});

for (const command of ["serve", "demo", "train", "replay"]) {
  Deno.test(`${command} --help teaches with examples`, async () => {
    const { code, out } = await runCaptured(command, "--help");
    assert.equal(code, 0);
    assert.match(out, /Examples:\n/);
    assert.match(out, new RegExp(`deno task (cairn )?${command}`));
  });
}

Deno.test("train --help lists the kinds of models and datasets as they are written", async () => {
  const { out } = await runCaptured("train", "--help");
  const words = out.replaceAll(/\s+/g, " ");
  const kinds = modelSection.options.map(({ shape }) => shape.kind.value);
  assert.ok(words.includes(`instead of the configured one: ${kinds.join(", ")}`), out);
  for (const kind of datasetKinds) assert.ok(words.includes(`"${kind}"`), kind);
  for (const [, kind] of words.matchAll(/--compare ([a-z]\w*)/g)) {
    assert.ok(kinds.some((known) => known === kind), kind);
  }
});

const mistakes: readonly (readonly [args: string[], says: RegExp])[] = [
  [["lod", "--help"], /unknown command 'lod'/],
  [["trian"], /unknown command 'trian'[^]*Did you mean train\?/],
  [["demo", "--secnods", "9"], /unknown option '--secnods'[^]*--seconds/],
  [
    ["demo", "--seconds", "2"],
    /'--seconds <count>' argument '2' is invalid. Give a whole number from 20 to 3600/,
  ],
  [["train", "--path", "x"], /required option '--dataset <kind>' not specified/],
  [["replay", "--dataset", "netflix", "--path", "x"], /Allowed choices are movietweetings/],
  [
    ["serve", "--config", "/nowhere.yaml"],
    /Cannot read the configuration \/nowhere.yaml: there is no such file/,
  ],
  // A relative path is looked for in the caller's folder, which the message names.
  [["serve", "--config", "nowhere.yaml"], /nowhere\.yaml: there is no such file in \/.+; examples/],
  [["serve", "--set", "gateway.prot=80"], /prot[^]*port/],
  [
    ["serve", "--set", "placement.kind=wrkers"],
    /^--set placement\.kind: found "wrkers", expected one of singleThread, workers; did you/m,
  ],
  [
    ["serve", "--set", "storage.logBytesMax=1MiB"],
    /^--set storage\.logBytesMax: storage\.kind: missing;.*--set 'storage=\{ kind: directory, path: …, logBytesMax: … \}'/m,
  ],
  [
    ["serve", "--set", "storage=directory"],
    /found "directory", expected a map .*; write --set storage\.kind=directory$/m,
  ],
  [["serve", "--set", "model.kind.depth=1"], /--set model\.kind\.depth cannot be set in this file/],
  [["serve", "--set", "model.hidden=[8"], /--set model\.hidden: the value is not YAML/],
  [
    ["train", "--dataset", "csv", "--path", "x", "--compare", "foo"],
    /^--compare foo: model\.kind: found "foo", expected one of logisticRegression/m,
  ],
  [["serve", "--set", "gateway.apiKeys=[s3cret]"], /^(?![^]*s3cret)[^]*--set gateway\.apiKeys: /],
  [["serve", "--set", "nonsense"], /--set needs a dotted path and a value, .*; found no =\./],
];

for (const [args, says] of mistakes) {
  Deno.test(`\`cairn ${args.join(" ")}\` exits with 2 and says what to type instead`, async () => {
    const { code, out, err } = await runCaptured(...args);
    assert.match(err, says);
    assert.equal(code, 2);
    assert.equal(out, "");
    assert.doesNotMatch(err, /^\s+at /m, "a stack trace nobody asked for");
  });
}

const meshMistakes: readonly (readonly [args: readonly string[], says: RegExp])[] = [
  ...placementCommands({ out() {}, err() {} })
    .map((command) => [[command.name(), "--bogus"], /(unknown|required) option '--/] as const),
  [["plan", "now"], /too many arguments/],
  [["plan", "--set", "nonsense"], /--set needs a dotted path/],
  [["plan", "--config", "/missing.yaml"], /Cannot read the configuration \/missing\.yaml/],
  [["apply", "--max-moves", "0"], /whole number from 1 to 64/],
  [["explain"], /missing required argument 'part'/],
  [["explain", "table"], /There is no part "table"/],
  [["drain"], /missing required argument 'host'/],
  [["recover"], /required option '--accept-loss' not specified/],
];

for (const [args, says] of meshMistakes) {
  Deno.test(`\`cairn ${args.join(" ")}\` exits with 1, since 2 means changes`, async () => {
    const { code, out, err } = await runCaptured(...args);
    assert.match(err, says);
    assert.deepEqual([code, out], [1, ""]);
  });
}

for (
  const [kind, path, says] of [
    [
      "movielens",
      "tests/offline/datasets/samples/ml-latest/ratings.csv",
      /it is a file; movielens is/,
    ],
    ["movietweetings", "README.md", /it is a file;.*--dataset csv/],
    ["csv", "tests/offline/datasets/samples/ml-latest", /it is a folder; csv is read from a file/],
  ] as const
) {
  Deno.test(`--dataset ${kind} --path ${path} says what to give instead`, async () => {
    const { code, err } = await runCaptured("train", "--dataset", kind, "--path", path);
    assert.equal(code, 1);
    assert.match(err, says);
    assert.doesNotMatch(err, /--debug/);
  });
}

Deno.test("a data directory that another process holds is an error in words", async () => {
  const path = await Deno.makeTempDir();
  const held = openDataDirectory(path);
  try {
    const { code, err } = await runCaptured(
      "serve",
      "--port=0",
      "--set",
      `storage={ kind: directory, path: "${path}" }`,
    );
    assert.equal(code, 1);
    assert.match(err, /is in use by another process. Stop that one, or set storage.path/);
    assert.doesNotMatch(err, /--debug/);
  } finally {
    held.release();
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("a dataset that is not there is an error in words, and --debug adds where it comes from", async () => {
  const args = ["train", "--dataset", "movietweetings", "--path", "/nowhere"];
  const plain = await runCaptured(...args);
  assert.equal(plain.code, 1);
  assert.match(plain.err, /Cannot read \/nowhere\/movies.dat: there is no such file/);
  assert.doesNotMatch(plain.err, /^\s+at /m);
  const debug = await runCaptured(...args, "--debug");
  assert.equal(debug.code, 1);
  assert.match(debug.err, /^\s+at /m);
});

for (
  const [url, says] of [
    ["localhost:9102", /is not the address of a server; write it as http:\/\/localhost:8080/],
    ["http://127.0.0.1:9", /Cannot reach a server at http:\/\/127\.0\.0\.1:9/],
  ] as const
) {
  Deno.test(`replay --url ${url} says what is wrong with it`, async () => {
    const data = new URL("../offline/datasets/samples/movietweetings", import.meta.url).pathname;
    const { code, err } = await runCaptured(
      ...["replay", "--dataset", "movietweetings", "--path", data, "--url", url],
    );
    assert.notEqual(code, 0);
    assert.match(err, says);
  });
}

Deno.test("commands for a mesh whose Redis is away name its address and what to do", async () => {
  const config = new URL("../../examples/mesh.yaml", import.meta.url).pathname;
  const redis = 'storage.redis={ url: "redis://127.0.0.1:9" }';
  for (const command of ["status", "plan"]) {
    const { code, err } = await runCaptured(command, "--config", config, "--set", redis);
    assert.equal(code, 1);
    assert.match(
      err,
      /^error: Cannot reach the Redis at redis:\/\/127\.0\.0\.1:9: connect ECONNREFUSED [\d.:]+\. Start it, or correct storage\.redis\.$/m,
    );
    assert.doesNotMatch(err, /--debug/);
  }
});

Deno.test("deno task takes paths of the caller's folder, and model export needs no API key", async () => {
  const folder = await Deno.makeTempDir({ prefix: "cairn-caller-" });
  try {
    const movies = await Deno.readTextFile(new URL("../../examples/movies.yaml", import.meta.url));
    const keys = "\ngateway: { apiKeys: ['${CAIRN_KEY_THAT_IS_NOT_SET}'] }\n";
    await Deno.writeTextFile(`${folder}/my.yaml`, movies + keys);
    const tasks = new URL("../../deno.json", import.meta.url).pathname;
    const cairn = (...args: string[]) =>
      new Deno.Command(Deno.execPath(), {
        args: ["task", "--config", tasks, "cairn", ...args],
        cwd: folder,
        env: { NO_COLOR: "1", INIT_CWD: folder },
      }).output();
    const { success, stderr } = await cairn("model", "export", "m.onnx", "--config", "my.yaml");
    const said = new TextDecoder().decode(stderr);
    assert.ok(success, said);
    assert.ok((await Deno.stat(`${folder}/m.onnx`)).size > 0);

    const serve = await cairn("serve", "--config", "my.yaml");
    assert.match(
      new TextDecoder().decode(serve.stderr),
      /environment variable CAIRN_KEY_THAT_IS_NOT_SET is not set/,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
