import assert from "node:assert/strict";
import { bundledFile } from "../../../cli/options.ts";
import { loadConfiguration } from "../../../cli/load_configuration.ts";
import { GatewayClient } from "../../../cli/load/gateway_client.ts";
import { EmbeddedEventLog } from "../../../mesh/adapters/embedded/embedded_event_log.ts";
import { decodeEvent } from "../../../records/event_record.ts";
import { withServer } from "../../../server/machine/with_server.ts";
import { runCaptured } from "../captured_command.ts";
import { writeSmallDataset } from "../small_dataset.ts";
import { shopHeader, shopMapping, smallShopLines } from "./small_shop.ts";

const config = bundledFile("examples/shop.yaml");

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function importing(folder: string, ...more: string[]): string[] {
  return [
    "import",
    `--config=${config}`,
    `--set=storage={ kind: directory, path: ${folder}/data }`,
    `--events=${folder}/orders.csv`,
    ...shopMapping,
    "--json",
    ...more,
  ];
}

function figuresOf(out: string) {
  return JSON.parse(out.trimEnd().split("\n").at(-1)!);
}

/** Ids of all rankings and events that the log of the data directory holds. */
async function loggedIds(folder: string): Promise<string[]> {
  const log = await EmbeddedEventLog.open({
    directory: `${folder}/data/events`,
    partitions: 1,
    mode: "write",
  });
  try {
    const ids: string[] = [];
    for (let at = 0;;) {
      const records = await log.read(0, at, 1_000);
      if (records.length === 0) return ids;
      for (const { offset, bytes } of records) {
        const record = decodeEvent(bytes);
        if (record.kind === "impression") ids.push(record.rankingId);
        if (record.kind === "action") ids.push(record.eventId);
        at = offset + 1;
      }
    }
  } finally {
    await log.close();
  }
}

Deno.test("a table of purchases is imported, and the server that starts from it is warm", async () => {
  await inFolder(async (folder) => {
    const lines = smallShopLines({ invoices: 1_500 });
    const bad = ["x,p1,thing,1,some day,1,c1", "x,p1,thing,1,2024-01-01,1,"];
    await Deno.writeTextFile(`${folder}/orders.csv`, [shopHeader, ...lines, ...bad].join("\n"));
    const { code, out, err } = await runCaptured(
      ...importing(folder, `--refused=${folder}/refused.jsonl`),
    );
    assert.equal(code, 0, err);
    const figures = figuresOf(out);
    assert.equal(figures.imported, lines.length);
    assert.equal(figures.refused, 2);
    assert.equal(figures.items, 100);
    assert.ok(figures.negatives > 2 * figures.rankingsMade);
    assert.match(err, /4 sampled negatives per item/);
    const { auc, logloss } = figures.tasks.purchase;
    assert.ok(auc > 0.55 && auc < 1, `AUC ${auc}, before each example was learned`);
    assert.ok(logloss > 0 && logloss < 1, `logloss ${logloss}`);

    const refused = (await Deno.readTextFile(`${folder}/refused.jsonl`)).trimEnd().split("\n")
      .map((line) => JSON.parse(line));
    const file = await Deno.readTextFile(`${folder}/orders.csv`);
    for (const [i, { line, row }] of refused.entries()) {
      assert.equal(file.split("\n")[line - 1], bad[i]);
      assert.equal(row.StockCode, "p1");
    }

    const configuration = await loadConfiguration(config, {
      assignments: [`storage={ kind: directory, path: ${folder}/data }`, "gateway.port=0"],
    });
    await withServer(configuration, { writeLog: () => {} }, async ({ url }) => {
      const client = new GatewayClient({ url, retriesMax: 5, retryDelayMsMax: 100 });
      // Customer 2 likes shelf 2: products 40 to 59.
      let hits = 0;
      for (let customer = 0; customer < 20; customer++) {
        const { items, modelVersion } = await client.rank({
          user: `c${customer}`,
          candidates: Array.from({ length: 100 }, (_, item) => ({ id: `p${item}` })),
        });
        assert.ok(modelVersion > 0 && items.every(({ cold }) => !cold), "nothing is cold");
        const liked = items.slice(0, 20).filter(({ id }) =>
          Math.floor(Number(id.slice(1)) / 20) === customer % 5
        );
        hits += liked.length;
      }
      assert.ok(hits > 0.6 * 20 * 20, `${hits} of the 400 first items are of the liked shelf`);
      const profile = await fetch(`${url}/v1/items/p41`).then((response) => response.json());
      assert.deepEqual(profile.attributes.words, ["thing", "41", "shelf2"]);
    });
  });
});

Deno.test("a dry run writes nothing and says what it would read", async () => {
  await inFolder(async (folder) => {
    const lines = smallShopLines({ invoices: 50 });
    await Deno.writeTextFile(`${folder}/orders.csv`, [shopHeader, ...lines].join("\n"));
    const { code, out, err } = await runCaptured(...importing(folder, "--dry-run"));
    assert.equal(code, 0, err);
    assert.equal(figuresOf(out).imported, lines.length);
    assert.match(err, /StockCode +the item +\(by its name\)/);
    const misnamed = await runCaptured(...importing(folder, "--dry-run", "--action=buy"));
    assert.equal(misnamed.code, 0, misnamed.err);
    assert.match(
      misnamed.err,
      /no event is positive.*positive for purchase of 1 or more.* The events are \d+ buy with a value\. .*--action/s,
    );
    assert.doesNotMatch(misnamed.err, /All events are positive/);
    const unvalued = await runCaptured(...importing(folder, "--dry-run", "--map=Quantity=ignore"));
    assert.match(
      unvalued.err,
      /The events are \d+ purchase without a value\. .*\{ action: purchase, label: positive \}.*--map '<column>=value'/s,
    );
    const typed = await runCaptured(...importing(folder, "--dry-run", "--map=Description=action"));
    assert.match(typed.err, /The events are (\d+ thing \d+ shelf\d with a value, ){5}…\. /);
    assert.deepEqual((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), [
      "orders.csv",
    ]);
  });
});

Deno.test("an import that is killed goes on where it stopped, and another one is refused meanwhile", async () => {
  await inFolder(async (folder) => {
    const lines = smallShopLines({ invoices: 4_000 });
    await Deno.writeTextFile(`${folder}/orders.csv`, [shopHeader, ...lines].join("\n"));
    const main = new URL("../../../main.ts", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", main, ...importing(folder)],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const visitsDone = async () => {
      const text = await Deno.readTextFile(`${folder}/data/import.json`).catch(() => "{}");
      return Number(JSON.parse(text).visits ?? 0);
    };
    let ended = false;
    const status = child.status.finally(() => ended = true);
    while (!ended && await visitsDone() < 500) await new Promise((done) => setTimeout(done, 5));
    assert.ok(!ended, "the import was killed before its end");
    child.kill("SIGKILL");
    await status;
    const begun = await visitsDone();
    assert.ok(begun >= 500 && begun < 4_000);

    for (const change of ["--seen=30", "--set=joiner.window=10m"]) {
      const other = await runCaptured(...importing(folder, change));
      assert.equal(other.code, 1, change);
      assert.match(other.err, /Another import into .* was interrupted/);
    }

    const { code, out, err } = await runCaptured(...importing(folder));
    assert.equal(code, 0, err);
    const figures = figuresOf(out);
    assert.equal(figures.resumed, true);
    const ids = await loggedIds(folder);
    assert.equal(new Set(ids).size, ids.length, "no record is there twice");
    assert.equal(ids.length, figures.rankingsMade + figures.actions);

    const again = await runCaptured(...importing(folder));
    assert.equal(again.code, 2);
    assert.match(again.err, /holds this import already/);
  });
});

Deno.test("an import does not go on after live traffic, which its events would not move on", async () => {
  await inFolder(async (folder) => {
    const lines = smallShopLines({ invoices: 50 });
    await Deno.writeTextFile(`${folder}/orders.csv`, [shopHeader, ...lines].join("\n"));
    assert.equal((await runCaptured(...importing(folder))).code, 0);
    const file = `${folder}/data/import.json`;
    const complete = JSON.parse(await Deno.readTextFile(file));
    const interrupt = () =>
      Deno.writeTextFile(file, JSON.stringify({ ...complete, isComplete: false }));
    await interrupt();
    const resumed = await runCaptured(...importing(folder));
    assert.equal(resumed.code, 0, resumed.err);
    const configuration = await loadConfiguration(config, {
      assignments: [`storage={ kind: directory, path: ${folder}/data }`, "gateway.port=0"],
    });
    await withServer(configuration, { writeLog: () => {} }, async ({ url }) => {
      const client = new GatewayClient({ url, retriesMax: 5, retryDelayMsMax: 100 });
      await client.rank({ user: "u", candidates: [{ id: "p1" }] });
    });
    await interrupt();
    const { code, err } = await runCaptured(...importing(folder));
    assert.equal(code, 1);
    assert.match(
      err,
      /Cannot go on with the import: .* after its last one: a server took requests/,
    );
  });
});

Deno.test("an import of older events is refused each time, and changes no profile", async () => {
  await inFolder(async (folder) => {
    const lines = smallShopLines({ invoices: 50 });
    await Deno.writeTextFile(`${folder}/orders.csv`, [shopHeader, ...lines].join("\n"));
    assert.equal((await runCaptured(...importing(folder))).code, 0);
    const before = await loggedIds(folder);
    const items = `${folder}/items.csv`;
    await Deno.writeTextFile(items, "id,words\np1,changed\n");
    const older = lines.map((line) => line.replace(",2024-", ",2023-"));
    await Deno.writeTextFile(`${folder}/orders.csv`, [shopHeader, ...older].join("\n"));
    for (let i = 0; i < 2; i++) {
      const { code, err } = await runCaptured(...importing(folder, `--items=${items}`));
      assert.equal(code, 1, err);
      assert.match(err, /holds events up to 2024-/);
    }
    assert.deepEqual(await loggedIds(folder), before);
    const configuration = await loadConfiguration(config, {
      assignments: [`storage={ kind: directory, path: ${folder}/data }`, "gateway.port=0"],
    });
    await withServer(configuration, { writeLog: () => {} }, async ({ url }) => {
      const profile = await fetch(`${url}/v1/items/p1`).then((response) => response.json());
      assert.notDeepEqual(profile.attributes?.words, ["changed"]);
    });
  });
});

Deno.test("an import without a file, a directory or a known column says the cure", async () => {
  const cases = [
    [["import"], /storage is memory in .*shop\.yaml. Name a data directory/],
    [["import", "--dry-run"], /Name a file to import: --items, --users/],
    [["import", "--dry-run", "--preset=movielens"], /needs --path <folder>/],
    [["import", "--dry-run", "--events=/nope.csv"], /nope\.csv: there is no such file/],
  ] as const;
  for (const [args, message] of cases) {
    const { code, err } = await runCaptured(...args);
    assert.notEqual(code, 0);
    assert.match(err, message);
  }
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/orders.csv`, `${shopHeader}\n`);
    const { err } = await runCaptured(...importing(folder, "--map=Colour=item.colour"));
    assert.match(err, /No file has a column "Colour"; the columns are InvoiceNo, StockCode/);
  });
});

Deno.test("an import of no row fails, and leaves no data directory", async () => {
  await inFolder(async (folder) => {
    const lines = smallShopLines({ invoices: 3 }).map((line) => line.replace("2024-", "24-"));
    await Deno.writeTextFile(`${folder}/orders.csv`, [shopHeader, ...lines].join("\n"));
    const refused = await runCaptured(...importing(folder));
    assert.notEqual(refused.code, 0);
    assert.match(refused.err, /such as .*orders\.csv:2: the time is "24-01-01T/);
    assert.match(refused.err, /nothing to import: every row was refused/);
    await Deno.writeTextFile(`${folder}/orders.csv`, `${shopHeader}\n`);
    assert.match(
      (await runCaptured(...importing(folder))).err,
      /nothing to import: the files have/,
    );
    await assert.rejects(Deno.stat(`${folder}/data`), Deno.errors.NotFound);
  });
});

Deno.test("a published dataset is imported with its movies, and ratings need no sampled negatives", async () => {
  const dataset = await writeSmallDataset(600);
  try {
    const importRatings = (...more: string[]) =>
      runCaptured(
        "import",
        `--config=${bundledFile("examples/movies.yaml")}`,
        `--set=storage={ kind: directory, path: ${dataset.folder}/data }`,
        "--preset=movietweetings",
        `--path=${dataset.folder}`,
        "--json",
        ...more,
      );
    const hopeless = await importRatings("--label-at-least=11");
    assert.equal(hopeless.code, 2);
    assert.match(hopeless.err, /no event is positive.*--label-at-least <value>/s);
    const { code, out, err } = await importRatings();
    assert.equal(code, 0, err);
    const figures = figuresOf(out);
    assert.equal(figures.imported, dataset.ratings);
    assert.equal(figures.negatives, 0);
    assert.equal(figures.examples, dataset.ratings, "each rating is final");
    assert.ok(figures.items > 0);
  } finally {
    await Deno.remove(dataset.folder, { recursive: true });
  }
});

Deno.test("the command that starts the server repeats the changes to the configuration", async () => {
  await inFolder(async (folder) => {
    const lines = smallShopLines({ invoices: 20 });
    await Deno.writeTextFile(`${folder}/orders.csv`, [shopHeader, ...lines].join("\n"));
    const args = importing(folder, "--set=trainer.batchRows=32").filter((arg) => arg !== "--json");
    const { code, out, err } = await runCaptured(...args);
    assert.equal(code, 0, err);
    const command = `cairn serve --config ${config} ` +
      `--set 'storage={ kind: directory, path: ${folder}/data }' --set 'trainer.batchRows=32'`;
    assert.ok(out.endsWith(`Start the server with: ${command}\n`), out);
  });
});

Deno.test("an import with the file of a mesh says how its hosts get the history", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/orders.csv`, smallShopLines({ invoices: 1 }).join("\n"));
    const mesh = bundledFile("examples/mesh.yaml");
    for (const more of [[], ["--dry-run"]]) {
      const args = ["--config", mesh, "--events", `${folder}/orders.csv`, ...more];
      const { code, err } = await runCaptured("import", ...args);
      assert.equal(code, 2, err);
      assert.match(
        err,
        /describes a mesh of the hosts edge, learn, tables\. Stop them, and import/,
      );
      assert.match(err, /storage\.redis\.name: \S+ where/);
    }
  });
});
