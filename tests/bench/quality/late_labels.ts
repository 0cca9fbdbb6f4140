/**
 * Measures the correction for labels that come late: an audience buys hours after it was shown an
 * item, and the same traffic goes through the real ranker, joiner and trainer with different
 * windows. An oracle run knows each purchase at once; with a longer window it learns as late as the
 * other runs, and so bounds them. A second oracle knows at the end of the window which purchases
 * will come late, and leaves their rows out until then: the best that a correction of the loss
 * could reach.
 *
 *     deno task bench:late-labels [--visits 20000] [--window 6h] [--audiences 0,1,2] [--json]
 *
 * Scores are the served ones, each before its label could be known, over the last two thirds of the
 * visits. Figures are means over the audiences, with half the range of the AUC.
 */
import { parseArgs } from "node:util";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { AcceptanceClock } from "../../../gateway/memory/acceptance_clock.ts";
import { exactAuc, logloss } from "../../../offline/evaluation/auc.ts";
import { encodeEvent } from "../../../records/event_record.ts";
import { startMesh } from "../../../server/machine/start_mesh.ts";
import { waitLearned, waitReady } from "../../../server/waits.ts";
import { type Audience, makeAudience } from "./late_audience.ts";
import { BLOCK_VISITS, rankBlock } from "./ranked_block.ts";
import { smallModel } from "./small_model.ts";

interface Variant {
  readonly name: string;
  readonly window: string;
  /** Absent = late labels are lost. */
  readonly lateLabels?: string;
  /** Whether purchases are known at once. */
  readonly atOnce?: boolean;
  /** Whether rows whose purchase comes late are left out when the window closes. */
  readonly leftOut?: boolean;
  /** Whether a purchase decides its example at once, before the window closes. */
  readonly final?: boolean;
}

interface Quality {
  readonly auc: number;
  readonly logloss: number;
  /** Mean prediction / mean label. */
  readonly calibration: number;
}

const variants: readonly Variant[] = [
  ...["20m", "1h", "6h"].flatMap((window) => [
    { name: "known at once", window, atOnce: true },
    { name: "late labels are lost", window },
    { name: "with lateLabels", window, lateLabels: "3d" },
    { name: "with lateLabels, final", window, lateLabels: "3d", final: true },
    { name: "late rows are left out", window, lateLabels: "3d", leftOut: true },
    { name: "late rows are left out, final", window, lateLabels: "3d", leftOut: true, final: true },
  ]),
  { name: "late labels are lost", window: "1d" },
];

function configurationOf({ window, lateLabels, final = false }: Variant): string {
  return `${smallModel("purchase")}joiner:
  window: ${window}
  lateLabels: ${lateLabels === undefined ? "{}" : `{ purchase: ${lateLabels} }`}
  tasks:
    purchase: [{ action: purchase, label: positive, final: ${final} }]
trainer: { batchRows: 32, linger: 60ms } # so that late labels and new negatives share batches
`;
}

async function run(variant: Variant, audience: Audience): Promise<Quality> {
  const parsed = parseConfiguration(configurationOf(variant), "late_labels.yaml");
  const { joiner } = parsed;
  const { leftOut = false } = variant;
  // Without earlier negatives of the same rows there is nothing to correct.
  const negativeSampling = { ...joiner.negativeSampling, correction: "weight" } as const;
  const configuration = leftOut ? { ...parsed, joiner: { ...joiner, negativeSampling } } : parsed;
  const mesh = await startMesh(configuration, { logLevelMin: "error" });
  const acceptance = new AcceptanceClock(mesh.mesh.home.clock);
  const [scores, labels]: number[][] = [[], []];
  let due: { readonly atMs: number; readonly bytes: () => Uint8Array }[] = [];
  try {
    await waitReady(mesh);
    const { visits } = audience;
    for (let begin = 0; begin < visits.length; begin += BLOCK_VISITS) {
      const block = visits.slice(begin, begin + BLOCK_VISITS);
      const [{ atMs: nowMs }] = block;
      const now = due.filter(({ atMs }) => atMs <= nowMs).sort((a, b) => a.atMs - b.atMs);
      due = due.filter(({ atMs }) => atMs > nowMs);
      if (now.length > 0) {
        await mesh.stores.eventLog.append(0, now.map(({ bytes }) => bytes()));
      }
      const candidates = block.map(({ user, atMs, items }) => ({ user, atMs, candidates: items }));
      const limit = Math.max(...block.map(({ items }) => items.length));
      const rankings = await rankBlock(mesh, candidates, begin, { limit });
      block.forEach(({ items, atMs }, i) => {
        const scoreOf = new Map(rankings[i].items.map(({ id, score }) => [id, score]));
        for (const { id, boughtAfterMs } of items) {
          if (begin + i >= visits.length / 3) {
            scores.push(scoreOf.get(id) ?? NaN);
            labels.push(boughtAfterMs === undefined ? 0 : 1);
          }
          if (boughtAfterMs === undefined) continue;
          const boughtAtMs = atMs + (variant.atOnce === true ? 0 : boughtAfterMs);
          due.push({
            atMs: boughtAtMs,
            bytes: () =>
              encodeEvent({
                kind: "action",
                eventId: `e${begin + i}-${id}`,
                rankingId: `r${begin + i}`,
                item: id,
                action: "purchase",
                atMs: boughtAtMs,
                acceptedAtMs: acceptance.nextMs(),
              }),
          });
        }
      });
      await waitLearned(mesh);
    }
  } finally {
    await mesh.stop();
  }
  const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
  return {
    auc: exactAuc(scores, labels),
    logloss: logloss(scores, labels),
    calibration: mean(scores) / mean(labels),
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      visits: { type: "string", default: "20000" },
      window: { type: "string" },
      audiences: { type: "string", default: "0" },
      json: { type: "boolean", default: false },
    },
  });
  const audiences = values.audiences.split(",")
    .map((audience) => makeAudience(Number(values.visits), Number(audience)));
  for (const { visits, purchases } of audiences) {
    console.error(`${visits.length} visits, ${purchases} purchases`);
  }
  console.log("| Window | Labels | AUC | Logloss | Calibration |\n| --- | --- | --- | --- | --- |");
  const chosen = variants.filter(({ window }) => window === (values.window ?? window));
  for (const variant of chosen) {
    const runs: Quality[] = [];
    for (const audience of audiences) runs.push(await run(variant, audience));
    const meanOf = (figure: keyof Quality) =>
      runs.reduce((sum, run) => sum + run[figure], 0) / runs.length;
    const [auc, logloss, calibration] = [meanOf("auc"), meanOf("logloss"), meanOf("calibration")];
    const aucs = runs.map((run) => run.auc);
    const aucHalfRange = (Math.max(...aucs) - Math.min(...aucs)) / 2;
    console.log(
      values.json
        ? JSON.stringify({ ...variant, auc, aucHalfRange, logloss, calibration, aucs })
        : `| ${variant.window} | ${variant.name} | ${auc.toFixed(4)} ±${
          aucHalfRange.toFixed(4)
        } | ${logloss.toFixed(4)} | ${calibration.toFixed(3)} |`,
    );
  }
}
