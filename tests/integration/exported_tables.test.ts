/**
 * An export with tables, scored by examples/score_export.py, gives the scores that the server gave.
 */
import assert from "node:assert/strict";
import { waitLearned } from "../../server/waits.ts";
import { runCaptured } from "../cli/captured_command.ts";
import { scoreOf, smallConfiguration, startSmallMesh } from "./small_mesh.ts";

/** Debian's Python has python3-onnx, whose reference evaluator needs no ONNX Runtime. */
const PYTHON = "/usr/bin/python3";
const SCRIPT = new URL("../../examples/score_export.py", import.meta.url).pathname;

/** Slots of every kind and pooling, dense values of two scalings, two widths of rows. */
const slots = `
    tags: { kind: list, source: item, pooling: mean }
    words: { kind: list, source: item, pooling: sqrtn }
    first: { kind: list, source: item, attribute: words, pooling: first }
    recent: { kind: list, source: user, idsOf: item, pooling: mean }
    device: { kind: categorical, source: context, embeddingDim: 2 }
    year: { kind: categorical, source: item }
    price:
      { kind: numeric, source: item, buckets: { kind: log, perDoubling: 2 }, dense: { kind: log } }
    width:
      { kind: numeric, source: item, buckets: { kind: linear, width: 0.25 }, dense: { kind: none } }
    hour: { kind: time, part: hourOfWeek }
    taste: { kind: cross, of: [user, tags] }`;

const tags = ["drama", "comedy", "a tag longer than the thirty-two bytes of a stripe"];

const candidates = Array.from({ length: 12 }, (_, i) => ({
  id: `item-${i}`,
  fields: {
    tags: tags.slice(i % 3),
    words: ["ä", "b", `w${i % 4}`],
    year: 1990 + i / 2,
    price: (i - 4) * 3.3,
    width: i / 7,
  },
}));

const request = (user: string) => ({
  user,
  userFields: { recent: ["item-3", "item-5", "item-8"] },
  context: { device: user === "ann" ? "phone" : "desk" },
  timestamp: Date.now(),
  candidates,
});

async function isInstalled(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(PYTHON, {
      args: ["-c", "import onnx.reference"],
    }).output();
    return success;
  } catch {
    return false;
  }
}

const models = {
  "two widths of rows": (yaml: string) =>
    yaml.replace(
      "kind: deepFm, embeddingDim: 4, hidden: [8]",
      "kind: dcnV2, embeddingDim: 4, hidden: [8]",
    )
      .replace(/ {4}first_order:\n.*\n/, ""),
  "a model with attention": (yaml: string) =>
    yaml.replace("embeddingDim: 2", "embeddingDim: 4").replace(
      "hidden: [8]",
      "hidden: [8], attention: [{ slot: recent, candidate: item, lengthMax: 4, hidden: [4] }]",
    ),
};

for (const [name, changed] of Object.entries(models)) {
  Deno.test({
    name: `an exported model scores in Python as the server does: ${name}`,
    ignore: !await isInstalled(),
    fn: () => compare(changed),
  });
}

async function compare(changed: (yaml: string) => string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "cairn-export-" });
  try {
    const yaml = changed(
      smallConfiguration("in one thread", `{ kind: directory, path: ${folder}/data }`)
        .replace("\n    tags: { kind: list, source: item, pooling: mean }", slots),
    );
    await Deno.writeTextFile(`${folder}/cairn.yaml`, yaml);
    await learn(yaml);
    const served = await rankFromSnapshot(yaml);

    const exported = await runCaptured(
      ...["model", "export", `${folder}/model`, "--tables"],
      ...["--config", `${folder}/cairn.yaml`, "--from", `${folder}/data`],
    );
    assert.equal(exported.code, 0, exported.err);
    await assertEachIdOnce(`${folder}/model/class-0.ids.npy`);
    const scored = await scoreInPython(`${folder}/model`, served.map(({ body }) => body));
    let learned = 0;
    for (const [i, { ranking }] of served.entries()) {
      candidates.forEach(({ id }, row) => {
        const score = scoreOf(ranking, id);
        assert.ok(Math.abs(score - scored[i][row][0]) < 1e-5, `${id}: ${score}, ${scored[i][row]}`);
        if (Math.abs(score - 0.5) > 0.01) learned++;
      });
    }
    assert.ok(learned > candidates.length, "the scores differ from those of an untrained model");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The rows of all shards are in one array, as many as its header says. */
async function assertEachIdOnce(file: string): Promise<void> {
  const bytes = await Deno.readFile(file);
  const header = 10 + bytes[8] + 256 * bytes[9];
  const [, rows] = /'shape': \((\d+),/.exec(new TextDecoder().decode(bytes.slice(10, header))) ??
    [];
  const ids = new BigUint64Array(bytes.slice(header).buffer);
  assert.deepEqual([new Set(ids).size, ids.length], [Number(rows), Number(rows)]);
  assert.ok(ids.length > candidates.length);
}

/** Learns from clicks and dismissals, and stops with a snapshot of all of it. */
async function learn(yaml: string): Promise<void> {
  const { mesh, client } = await startSmallMesh(yaml);
  try {
    let newestMs = 0;
    for (let round = 0; round < 20; round++) {
      const user = round % 2 === 0 ? "ann" : "bob";
      const { rankingId } = await client.ask("/v1/rank", request(user));
      const results = await client.post(candidates.map(({ id }, i) => ({
        ...{ eventId: `${round}-${id}`, rankingId, item: id },
        action: (i + round) % 3 === 0 ? "click" : "dismiss",
      })));
      for (const { acceptedAtMs } of results) newestMs = Math.max(newestMs, acceptedAtMs);
    }
    await client.rankFresh("ann", ["item-1"], newestMs);
    await waitLearned(mesh);
  } finally {
    await mesh.stop();
  }
}

/** Rankings of a server that has learned nothing since its snapshot. */
async function rankFromSnapshot(yaml: string) {
  const { mesh, client } = await startSmallMesh(yaml);
  try {
    await waitLearned(mesh);
    // Until all rows have reached the replicas, some items are cold.
    const probe = { ...request("ann"), learn: false };
    for (;;) {
      const { items } = await client.ask("/v1/rank", probe);
      if (items.every(({ cold }) => !cold)) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return await Promise.all(["ann", "bob", "somebody new"].map(async (user) => {
      const body = { ...request(user), learn: false };
      return { body, ranking: await client.ask("/v1/rank", body) };
    }));
  } finally {
    await mesh.stop();
  }
}

async function scoreInPython(folder: string, bodies: readonly unknown[]): Promise<number[][][]> {
  const python = new Deno.Command(PYTHON, {
    args: ["-B", SCRIPT, folder],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = python.stdin.getWriter();
  await input.write(
    new TextEncoder().encode(bodies.map((body) => JSON.stringify(body)).join("\n")),
  );
  await input.close();
  const { success, stdout, stderr } = await python.output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
}
