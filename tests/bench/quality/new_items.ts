/**
 * Measures the rule about new items: an audience clicks items that the real ranker shows, joiner
 * and trainer learn from it, and items are replaced day by day. The model reads how often an item
 * was clicked, as shops' models do, so that it ranks items without clicks low.
 *
 *     deno task bench:new-items [--visits 16000] [--shares 0,0.05,0.1,0.2] [--seeds 1,2] [--json]
 *
 * A visit ranks 60 candidates and shows 10. An item is new until it was shown 100 times. Figures
 * are of the visits after the first day: expected clicks, exposure of new items, and that of
 * the best tenth of the items that came meanwhile, in the day after they came.
 */
import { parseArgs } from "node:util";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { AcceptanceClock } from "../../../gateway/memory/acceptance_clock.ts";
import { uniformAt } from "../../../kernels/dense/counter_random.ts";
import { exactAuc } from "../../../offline/evaluation/auc.ts";
import { encodeEvent } from "../../../records/event_record.ts";
import type { RuleSet } from "../../../rules/rule_set.ts";
import { startMesh } from "../../../server/machine/start_mesh.ts";
import { waitLearned, waitReady } from "../../../server/waits.ts";
import { visitOf } from "./new_item_audience.ts";
import { BLOCK_VISITS, rankBlock } from "./ranked_block.ts";
import { smallModel } from "./small_model.ts";

const SHOWN = 10;
/** An item is new until it was shown so many times. */
const NEW_BELOW = 100;
const DAY_VISITS = 2_880;
/** Appeal that a tenth of the items exceed. */
const BEST = 1.2816;

const clicksOfItem = "clicks_week: { kind: numeric, source: item, buckets: { kind: log } }";

const configurationText = `${smallModel("click", [clicksOfItem])}kept:
  features:
    clicks_week: { kind: count, by: item, of: click, window: 7d }
    shown_month: { kind: count, by: item, of: shown, window: 30d }
joiner: { window: 20m } # longer than a block, whose clicks come after its rankings
trainer: { batchRows: 64, linger: 20ms }
`;

interface Figures {
  readonly share: number;
  readonly seed: number;
  /** Share of the shown positions that items had which were shown fewer than 100 times before. */
  readonly newItemShare: number;
  /** Expected clicks of a visit. */
  readonly clicks: number;
  /** AUC of the shown items as scored. */
  readonly auc: number;
  /** Share of a visit's positions for the best tenth of the items that came in the last day. */
  readonly bestNewShare: number;
  /** Share of the best tenth of the items that were shown 100 times by the day after they came. */
  readonly bestKnownInADay: number;
}

async function measure(share: number, seed: number, visits: number): Promise<Figures> {
  const configuration = parseConfiguration(configurationText, "new_items.yaml");
  const mesh = await startMesh(configuration, { logLevelMin: "error" });
  const acceptance = new AcceptanceClock(mesh.mesh.home.clock);
  const rules: RuleSet = share === 0
    ? {}
    : { newItems: { when: `shown_month < ${NEW_BELOW}`, share, top: SHOWN } };
  const shownTimes = new Map<string, number>();
  const best = new Map<string, { readonly cameOn: number; knownOn?: number }>();
  const [scores, labels]: number[][] = [[], []];
  let [clicks, newPositions, bestPositions, measured] = [0, 0, 0, 0];
  try {
    await waitReady(mesh);
    for (let begin = 0; begin < visits; begin += BLOCK_VISITS) {
      const block = Array.from({ length: BLOCK_VISITS }, (_, i) => visitOf(begin + i, seed));
      const rankings = await rankBlock(mesh, block, begin, { limit: SHOWN, rules });
      const events: Uint8Array[] = [];
      block.forEach(({ atMs, day, candidates, chances }, i) => {
        const visit = begin + i;
        const isMeasured = visit >= DAY_VISITS;
        if (isMeasured) measured++;
        const itemOf = new Map(candidates.map((item) => [item.id, item]));
        rankings[i].items.forEach(({ id, score }, position) => {
          const times = shownTimes.get(id) ?? 0;
          shownTimes.set(id, times + 1);
          const item = itemOf.get(id);
          const chance = chances.get(id) ?? 0;
          const isClicked = uniformAt(seed * 1_000_003 + visit, position) < chance;
          if (item !== undefined && item.cameOn >= 1 && item.appeal > BEST) {
            const known = best.get(id) ?? { cameOn: item.cameOn };
            if (times + 1 === NEW_BELOW) known.knownOn = day;
            best.set(id, known);
          }
          if (isMeasured) {
            clicks += chance;
            if (times < NEW_BELOW) newPositions++;
            const age = day - (item?.cameOn ?? 0);
            if (item !== undefined && item.appeal > BEST && age <= 1) bestPositions++;
            scores.push(score);
            labels.push(isClicked ? 1 : 0);
          }
          if (!isClicked) return;
          events.push(encodeEvent({
            kind: "action",
            eventId: `e${visit}-${id}`,
            rankingId: `r${visit}`,
            item: id,
            action: "click",
            atMs,
            acceptedAtMs: acceptance.nextMs(),
          }));
        });
        // Candidates that are not shown are offered too, so that a best item is counted.
        for (const { id, cameOn, appeal } of candidates) {
          if (cameOn >= 1 && appeal > BEST && !best.has(id)) best.set(id, { cameOn });
        }
      });
      await mesh.stores.eventLog.append(0, events);
      await waitLearned(mesh);
    }
  } finally {
    await mesh.stop();
  }
  const lastDay = visitOf(visits - 1, seed).day;
  const counted = [...best.values()].filter(({ cameOn }) => cameOn < lastDay);
  const known = counted.filter(({ cameOn, knownOn = Infinity }) => knownOn <= cameOn + 1);
  return {
    share,
    seed,
    newItemShare: newPositions / (measured * SHOWN),
    clicks: clicks / measured,
    auc: exactAuc(scores, labels),
    bestNewShare: bestPositions / (measured * SHOWN),
    bestKnownInADay: known.length / counted.length,
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      visits: { type: "string", default: "16000" },
      shares: { type: "string", default: "0,0.05,0.1,0.2" },
      seeds: { type: "string", default: "1,2" },
      json: { type: "boolean", default: false },
    },
  });
  const seeds = values.seeds.split(",").map(Number);
  for (const share of values.shares.split(",").map(Number)) {
    for (const seed of seeds) {
      const figures = await measure(share, seed, Number(values.visits));
      if (values.json) console.log(JSON.stringify({ bench: "newItems", ...figures }));
      else {
        const { newItemShare, clicks, auc, bestNewShare, bestKnownInADay } = figures;
        console.log(
          `share ${share}, seed ${seed}: new items at ${(100 * newItemShare).toFixed(1)} % of ` +
            `positions, ${clicks.toFixed(3)} clicks a visit, AUC ${auc.toFixed(4)}; best new ` +
            `items at ${(100 * bestNewShare).toFixed(2)} %, ` +
            `${(100 * bestKnownInADay).toFixed(0)} % known by the next day`,
        );
      }
    }
  }
}
