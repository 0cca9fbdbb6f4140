import assert from "node:assert/strict";
import { loadConfiguration } from "../../../cli/load_configuration.ts";
import { bundledFile } from "../../../cli/options.ts";
import {
  describeFigures,
  lostEvents,
  outcomesFromMetrics,
  type ReplayFigures,
} from "../../../cli/replay/figures.ts";
import { notesOn } from "../../../cli/replay/figure_notes.ts";
import { GatewayClient } from "../../../cli/load/gateway_client.ts";
import { withServer } from "../../../server/machine/with_server.ts";
import { writeSmallDataset } from "../small_dataset.ts";
import { runCaptured } from "../captured_command.ts";
import { waitLearned } from "../../../server/waits.ts";

const quiet = { writeLog: () => {} };

const keys = [
  "examples",
  "servedAuc",
  "servedCalibration",
  "trainerAuc",
  "tasks",
  "freshnessMsP50",
  "freshnessMsP99",
  "requestsPerSecond",
  "rankMsP50",
  "rankMsP99",
  "unmatched",
  "lost",
];

for (const placement of ["singleThread", "workers"]) {
  Deno.test(`a replay over HTTP loses nothing, learns, and says how well (${placement})`, async () => {
    const dataset = await writeSmallDataset(1500);
    try {
      const report = `${dataset.folder}/report.html`;
      const { code, out, err } = await runCaptured(
        "replay",
        "--dataset=movietweetings",
        `--path=${dataset.folder}`,
        "--json",
        `--report=${report}`,
        `--set=placement={ kind: ${placement} }`,
        "--set=trainer.batchRows=16",
        // A busy build machine is slow, not wrong.
        "--set=gateway.deadline=30s",
        // Its own server's key needs not be typed again.
        "--set=gateway.apiKeys=[a-key-of-the-own-server]",
      );
      assert.equal(code, 0, err);
      const figures = JSON.parse(out.trimEnd().split("\n").at(-1)!);
      assert.deepEqual(Object.keys(figures), keys);
      assert.equal(figures.examples, dataset.ratings);
      assert.equal(figures.lost, 0);
      assert.equal(figures.unmatched, 0);
      assert.ok(figures.trainerAuc > 0.6, `trainer AUC ${figures.trainerAuc}`);
      assert.deepEqual(Object.keys(figures.tasks), ["liked"]);
      assert.equal(figures.tasks.liked.auc, figures.trainerAuc);
      assert.ok(figures.tasks.liked.logloss > 0.1 && figures.tasks.liked.logloss < 1);
      for (const calibration of [figures.servedCalibration, figures.tasks.liked.calibration]) {
        assert.ok(calibration > 0.5 && calibration < 2, `calibration ${calibration}`);
      }
      // How much of it was served while it went on depends on the machine's load; see the next
      // test.
      assert.ok(figures.servedAuc > 0 && figures.servedAuc < 1, `served AUC ${figures.servedAuc}`);
      assert.ok(figures.freshnessMsP50 > 0 && figures.freshnessMsP50 <= figures.freshnessMsP99);
      assert.ok(figures.requestsPerSecond > 0 && figures.rankMsP99 > 0);

      const page = await Deno.readTextFile(report);
      assert.match(page, /<svg/);
      assert.doesNotMatch(
        page,
        /https?:|<script|<link|@import|url\(/,
        "the page fetches something",
      );
    } finally {
      await dataset.remove();
    }
  });

  Deno.test(`what one replay taught is in the scores of the next (${placement})`, async () => {
    const dataset = await writeSmallDataset(1000);
    const configuration = await loadConfiguration(bundledFile("examples/movies.yaml"), {
      assignments: [
        `placement={ kind: ${placement} }`,
        "trainer.batchRows=16",
        "gateway.deadline=30s",
        "gateway.port=0",
        "gateway.host=127.0.0.1",
      ],
    });
    try {
      await withServer(configuration, quiet, async ({ mesh, url }) => {
        const replayed = async () => {
          const args = ["--dataset=movietweetings", `--path=${dataset.folder}`, "--json"];
          const { code, out, err } = await runCaptured("replay", ...args, `--url=${url}`);
          assert.equal(code, 0, err);
          return JSON.parse(out);
        };
        await replayed();
        await waitLearned(mesh);
        const { learnedThroughMs } = await mesh.trainers.status();
        const client = new GatewayClient({ url, retriesMax: 100, retryDelayMsMax: 100 });
        // Learned rows are served a moment later; if they never are, the scores below fail the
        // test.
        for (let tries = 0; tries < 1_000; tries++) {
          if ((await client.ready()).learnedThroughMs >= learnedThroughMs) break;
        }
        const { servedAuc } = await replayed();
        assert.ok(servedAuc > 0.75, `served AUC ${servedAuc}`);
      });
    } finally {
      await dataset.remove();
    }
  });
}

Deno.test("an action that no label rule reads is a negative of the served AUC, as in training", async () => {
  const folder = await Deno.makeTempDir({ prefix: "cairn-replay-" });
  try {
    const row = (n: number, action: string) =>
      JSON.stringify({ user: `u${n % 7}`, item: `i${n % 5}`, action, timestamp: 1.7e9 + n });
    const replayed = async (actions: readonly string[]) => {
      const lines = Array.from({ length: 60 }, (_, n) => row(n, actions[n % actions.length]));
      await Deno.writeTextFile(`${folder}/history.jsonl`, lines.join("\n"));
      const { code, out, err } = await runCaptured(
        "replay",
        "--dataset=jsonl",
        `--path=${folder}/history.jsonl`,
        `--report=${folder}/r.html`,
        "--json",
        "--set=model.tasks=[buy]",
        "--set=joiner.tasks={ buy: [{ action: buy, label: positive }] }",
        "--set=gateway.deadline=30s",
      );
      assert.equal(code, 0, err);
      return { figures: JSON.parse(out), err, page: await Deno.readTextFile(`${folder}/r.html`) };
    };
    const mixed = await replayed(["buy", "look", "look"]);
    assert.equal(mixed.figures.examples, 60);
    assert.ok(mixed.figures.servedAuc >= 0 && mixed.figures.servedAuc <= 1);
    assert.match(mixed.page, /<h1>Replay of history\.jsonl<\/h1>/);
    assert.match(mixed.page, /cairn replay [^<]*--path [^<]*history\.jsonl/);

    const bought = await replayed(["buy"]);
    assert.equal(bought.figures.servedAuc, null);
    const reason =
      /servedAuc is unknown: all of the last 48 interactions are positive.*joiner\.tasks/;
    assert.match(bought.err, reason);
    assert.match(bought.page, reason);
    assert.match(bought.err, /60 rankings wait in open windows/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("attributes in the rows of a file are stored after the replay, the newest of each id", async () => {
  const folder = await Deno.makeTempDir({ prefix: "cairn-replay-" });
  const configuration = await loadConfiguration(bundledFile("examples/movies.yaml"), {
    assignments: ["gateway.deadline=30s", "gateway.port=0", "gateway.host=127.0.0.1"],
  });
  const at = (n: number) => ({ timestamp: 1.7e9 + 60 * n, value: 9 });
  const rows = [
    { user: "ann", item: "heat", ...at(2), itemAttributes: { year: "1995" } },
    { user: "ann", item: "heat", ...at(0), itemAttributes: { year: "1994" } },
    { user: "bob", item: "heat", ...at(3), userAttributes: { age: "30" } },
    { user: "bob", item: "clueless", ...at(4) },
    { user: "ann", item: "up", ...at(5) },
    { user: "eve", item: "heat", ...at(9), itemAttributes: { year: "2001" } },
  ];
  try {
    const path = `${folder}/history.jsonl`;
    await Deno.writeTextFile(path, rows.map((row) => JSON.stringify(row)).join("\n"));
    await withServer(configuration, quiet, async ({ mesh, url }) => {
      const limit = "--limit=5"; // in order of time: without eve
      const { code, err } = await runCaptured(
        "replay",
        "--dataset=jsonl",
        `--path=${path}`,
        `--url=${url}`,
        limit,
      );
      assert.equal(code, 0, err);
      const stored = async (kind: "item" | "user") =>
        Object.fromEntries(
          (await mesh.stores.profiles.list(kind, undefined, 10)).profiles
            .map(({ id, attributes }) => [id, attributes]),
        );
      assert.deepEqual(await stored("item"), { heat: { year: "1995" } });
      assert.deepEqual(await stored("user"), { bob: { age: "30" } });
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an event that is learned from as a late label is not lost", async () => {
  const folder = await Deno.makeTempDir();
  try {
    // A window of a second between interactions hours apart: with pairs in flight at once, the
    // events come after the windows of their rankings.
    const rows = Array.from(
      { length: 200 },
      (_, i) => `u${i % 7},p${i % 5},1,${1_700_000_000 + 3_600 * i}`,
    );
    const file = `${folder}/events.csv`;
    await Deno.writeTextFile(file, ["user,item,value,time", ...rows].join("\n"));
    const { code, out, err } = await runCaptured(
      "replay",
      "--dataset=csv",
      `--path=${file}`,
      "--action=purchase",
      `--config=${bundledFile("examples/shop.yaml")}`,
      "--set=joiner.window=1s",
      "--set=joiner.lateLabels={ purchase: 30d }",
      "--json",
    );
    assert.equal(code, 0, err);
    const figures = JSON.parse(out.trimEnd().split("\n").at(-1)!);
    assert.equal(figures.lost, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a running server is named as the reason why figures of its trainer are unknown", () => {
  const outcomes = { judged: 0, unmatched: 0, emitted: 0, trained: 0, open: 0 };
  const notes = (servedAuc: number | null, labels: number[], open = 0) =>
    notesOn(
      { servedAuc, trainerAuc: null, tasks: null } as unknown as ReplayFigures,
      { labels: Float64Array.from(labels), neverFresh: 0 },
      { before: outcomes, after: { ...outcomes, open } },
    );
  assert.match(notes(0.7, [1, 0, 1, 0, 1])[0], /running one has cairn_trainer_auc/);
  assert.match(notes(null, [1, 0, 0, 0, 0])[0], /last 4 interactions are negative/);
  assert.match(notes(null, [])[0], /no interactions/);
  assert.match(notes(0.7, [1, 0, 1, 0, 1], 1)[1], /^1 ranking waits in open windows/);
});

Deno.test("an event is lost when the joiner never judged it, or its example was never trained on", () => {
  const before = { judged: 7, unmatched: 1, emitted: 6, trained: 6, open: 0 };
  const lost = (accepted: number, judged: number, emitted: number, trained: number) =>
    lostEvents(accepted, {
      before,
      after: {
        judged: 7 + judged,
        unmatched: 1,
        emitted: 6 + emitted,
        trained: 6 + trained,
        open: 0,
      },
    });
  assert.equal(lost(100, 100, 90, 90), 0);
  assert.equal(lost(103, 100, 90, 90), 3);
  assert.equal(lost(100, 100, 90, 85), 5);
  // Events of other clients of the server do not count as lost.
  assert.equal(lost(100, 120, 110, 110), 0);
});

Deno.test("a server elsewhere is counted through its metrics", async () => {
  const dataset = await writeSmallDataset(300);
  const configuration = await loadConfiguration(bundledFile("examples/movies.yaml"));
  try {
    const { code, out, err } = await withServer(
      { ...configuration, http: { ...configuration.http, host: "127.0.0.1", port: 0 } },
      quiet,
      ({ url }) => {
        const args = ["replay", "--dataset=movietweetings", `--path=${dataset.folder}`, "--json"];
        return runCaptured(...args, `--url=${url}`);
      },
    );
    assert.equal(code, 0, err);
    const figures = JSON.parse(out);
    assert.deepEqual(Object.keys(figures), keys);
    assert.equal(figures.examples, 300);
    assert.equal(figures.lost, 0);
    assert.equal(figures.unmatched, 0);
    assert.equal(figures.trainerAuc, null);
    assert.equal(figures.tasks, null);
  } finally {
    await dataset.remove();
  }
});

Deno.test("metrics that a young server does not have yet count as zero", () => {
  assert.deepEqual(outcomesFromMetrics(""), {
    judged: 0,
    unmatched: 0,
    emitted: 0,
    trained: 0,
    open: 0,
  });
  const text = [
    "# TYPE cairn_joiner_outcomes_total counter",
    'cairn_joiner_outcomes_total{outcome="examplesEmitted"} 20',
    'cairn_joiner_outcomes_total{outcome="actionsMatched"} 21',
    'cairn_joiner_outcomes_total{outcome="actionsLate"} 3',
    'cairn_joiner_outcomes_total{outcome="actionsLearnedLate"} 4',
    'cairn_trainer_examples_total{trainer="0"} 12',
    'cairn_trainer_examples_total{trainer="1"} 7',
    'cairn_joiner_impressions_open{joiner="0"} 5',
    'cairn_joiner_impressions_open{joiner="1"} 2',
  ].join("\n");
  assert.deepEqual(outcomesFromMetrics(text), {
    judged: 28,
    unmatched: 3,
    emitted: 20,
    trained: 19,
    open: 7,
  });
});

Deno.test("figures in words have a line of each task's own, and none where the server is elsewhere", () => {
  const figures = { examples: 7, servedAuc: null, tasks: null } as unknown as ReplayFigures;
  assert.equal(describeFigures(figures), "examples  7\nservedAuc unknown\n");
  const tasks = { liked: { auc: 0.75, logloss: null }, minutes: { meanSquaredError: 2.5 } };
  assert.equal(
    describeFigures({ examples: 7, tasks } as unknown as ReplayFigures),
    [
      "examples                       7",
      "tasks.liked.auc                0.75",
      "tasks.liked.logloss            unknown",
      "tasks.minutes.meanSquaredError 2.5",
      "",
    ].join("\n"),
  );
});

Deno.test("a replay with the file of a mesh asks for the address of a host", async () => {
  const dataset = await writeSmallDataset(1);
  try {
    const config = bundledFile("examples/mesh.yaml");
    const args = ["--config", config, "--dataset", "movielens", "--path", dataset.folder];
    const { code, err } = await runCaptured("replay", ...args);
    assert.equal(code, 2, err);
    assert.match(err, /describes a mesh of the hosts edge, learn, tables\. Name the address of/);
  } finally {
    await dataset.remove();
  }
});
