import assert from "node:assert/strict";
import { runCommandLine } from "../../cli/command_line.ts";
import { lostEvents, type MeshCounts, unmatchedEvents } from "../../cli/replay/figures.ts";
import { writeSmallDataset } from "./small_dataset.ts";

const keys = [
  "examples",
  "servedAuc",
  "trainerAuc",
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
      let [out, err] = ["", ""];
      const report = `${dataset.folder}/report.html`;
      const code = await runCommandLine([
        "replay",
        "--dataset=movietweetings",
        `--path=${dataset.folder}`,
        "--json",
        `--report=${report}`,
        `--set=placement={ kind: ${placement} }`,
        "--set=trainer.batchRows=16",
      ], { out: (text) => void (out += text), err: (text) => void (err += text) });
      assert.equal(code, 0, err);
      const figures = JSON.parse(out.trimEnd().split("\n").at(-1)!);
      assert.deepEqual(Object.keys(figures), keys);
      assert.equal(figures.examples, dataset.ratings);
      assert.equal(figures.lost, 0);
      assert.equal(figures.unmatched, 0);
      assert.ok(figures.trainerAuc > 0.6, `trainer AUC ${figures.trainerAuc}`);
      assert.ok(figures.servedAuc > 0.55, `served AUC ${figures.servedAuc}`);
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
}

/** Counts with zeros for all that a case does not name. */
function counts(
  joiner: Partial<MeshCounts["after"]["joiner"]>,
  examples: number,
): MeshCounts {
  const zeros = {
    impressionsOpen: 0,
    impressionsClosedEarly: 0,
    impressionsDuplicate: 0,
    examplesEmitted: 0,
    examplesSampledOut: 0,
    actionsMatched: 0,
    actionsIgnored: 0,
    actionsUnmatched: 0,
    actionsDuplicate: 0,
    actionsLate: 0,
    actionsExcess: 0,
    eventsAheadOfTime: 0,
    recordsInvalid: 0,
    offset: 0,
    dataClockMs: 0,
  };
  const trainer = { steps: 0, examples: 0, loss: 0, learnedThroughMs: 0, offset: 0 };
  const none = {
    negatives: new Float64Array(1),
    positives: new Float64Array(1),
    examples: 0,
    loglossSum: 0,
  };
  return {
    before: { joiner: zeros, trainer },
    after: { joiner: { ...zeros, ...joiner }, trainer: { ...trainer, examples } },
    warmedUp: none,
    trained: none,
  };
}

Deno.test("an event is lost when the joiner never judged it, or its example was never trained on", () => {
  const good = { actionsMatched: 90, actionsUnmatched: 6, actionsLate: 4, examplesEmitted: 90 };
  assert.equal(lostEvents(100, counts(good, 90)), 0);
  assert.equal(unmatchedEvents(counts(good, 90)), 10);
  assert.equal(lostEvents(103, counts(good, 90)), 3);
  assert.equal(lostEvents(100, counts(good, 85)), 5);
  assert.equal(
    lostEvents(100, counts({ ...good, actionsMatched: 80, actionsDuplicate: 10 }, 90)),
    0,
  );
});
