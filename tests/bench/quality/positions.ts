/**
 * Measures the effect of positions: users read a ranking from the top and stop somewhere, so that
 * items below are not clicked whatever they are. The same visits go through the real ranker, joiner
 * and trainer with and without reports of the items that were seen.
 *
 *     deno task bench:positions [--visits 9000] [--seeds 1,2,3] [--json]
 *
 * A visit ranks 60 candidates and shows 10. Figures are of the last two thirds of the visits. The
 * AUC's labels are drawn as if each shown item had been seen, so that they know no position.
 */
import { parseArgs } from "node:util";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { AcceptanceClock } from "../../../gateway/memory/acceptance_clock.ts";
import { uniformAt } from "../../../kernels/dense/counter_random.ts";
import { exactAuc } from "../../../offline/evaluation/auc.ts";
import { encodeEvent } from "../../../records/event_record.ts";
import { startMesh } from "../../../server/machine/start_mesh.ts";
import { waitLearned, waitReady } from "../../../server/waits.ts";
import { visitOf } from "./new_item_audience.ts";
import { BLOCK_VISITS, rankBlock } from "./ranked_block.ts";
import { smallModel } from "./small_model.ts";

const SHOWN = 10;
/** Probability that a user reads the next item too. */
const READS_ON = 0.8;

const configurationText = `${
  smallModel("click")
}joiner: { window: 20m } # longer than a block, whose clicks come after its rankings
trainer: { batchRows: 64, linger: 20ms }
`;

interface Variant {
  readonly name: string;
  /** Whether users stop reading somewhere. */
  readonly stops: boolean;
  /** Whether the page reports the items that were seen. */
  readonly reports: boolean;
}

const variants: readonly Variant[] = [
  { name: "users see every shown item", stops: false, reports: false },
  { name: "users stop, no reports", stops: true, reports: false },
  { name: "users stop, seen items are reported", stops: true, reports: true },
];

interface Figures {
  /** Expected clicks of a visit whose user sees all shown items. */
  readonly clicks: number;
  /** AUC of the shown items as scored. */
  readonly auc: number;
  /** Mean score / mean probability of a click on a seen item. */
  readonly calibration: number;
}

/** Items that the user of a visit sees, from the top. */
function depthOf(draw: number): number {
  return Math.min(SHOWN, 1 + Math.floor(Math.log(1 - draw) / Math.log(READS_ON)));
}

async function measure({ stops, reports }: Variant, seed: number, visits: number) {
  const configuration = parseConfiguration(configurationText, "positions.yaml");
  const mesh = await startMesh(configuration, { logLevelMin: "error" });
  const acceptance = new AcceptanceClock(mesh.mesh.home.clock);
  const [scores, labels]: number[][] = [[], []];
  let [clicks, scoreSum, measured] = [0, 0, 0];
  try {
    await waitReady(mesh);
    for (let begin = 0; begin < visits; begin += BLOCK_VISITS) {
      const block = Array.from({ length: BLOCK_VISITS }, (_, i) => visitOf(begin + i, seed));
      const rankings = await rankBlock(mesh, block, begin, { limit: SHOWN, awaitShown: reports });
      const events: Uint8Array[] = [];
      block.forEach(({ atMs, chances }, i) => {
        const visit = begin + i;
        const { items } = rankings[i];
        const drawn = (n: number) => uniformAt(seed * 1_000_003 + visit, n);
        const depth = stops ? depthOf(drawn(SHOWN)) : SHOWN;
        const common = { rankingId: `r${visit}`, atMs };
        if (reports) {
          const seen = items.slice(0, depth).map(({ id }) => id);
          const acceptedAtMs = acceptance.nextMs();
          events.push(encodeEvent({ kind: "shown", ...common, items: seen, acceptedAtMs }));
        }
        if (visit >= visits / 3) measured++;
        items.forEach(({ id, score }, position) => {
          const chance = chances.get(id) ?? 0;
          const isLiked = drawn(position) < chance;
          if (visit >= visits / 3) {
            clicks += chance;
            scoreSum += score;
            scores.push(score);
            labels.push(isLiked ? 1 : 0);
          }
          if (!isLiked || position >= depth) return;
          const [eventId, acceptedAtMs] = [`e${visit}-${id}`, acceptance.nextMs()];
          events.push(
            encodeEvent({
              kind: "action",
              eventId,
              ...common,
              item: id,
              action: "click",
              acceptedAtMs,
            }),
          );
        });
      });
      if (events.length > 0) await mesh.stores.eventLog.append(0, events);
      await waitLearned(mesh);
    }
  } finally {
    await mesh.stop();
  }
  return {
    clicks: clicks / measured,
    auc: exactAuc(scores, labels),
    calibration: scoreSum / clicks,
  } satisfies Figures;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      visits: { type: "string", default: "9000" },
      seeds: { type: "string", default: "1,2,3" },
      json: { type: "boolean", default: false },
    },
  });
  for (const variant of variants) {
    for (const seed of values.seeds.split(",").map(Number)) {
      const figures = await measure(variant, seed, Number(values.visits));
      const { clicks, auc, calibration } = figures;
      console.log(
        values.json
          ? JSON.stringify({ bench: "positions", ...variant, seed, ...figures })
          : `${variant.name}, seed ${seed}: ${clicks.toFixed(3)} clicks a visit, AUC ${
            auc.toFixed(4)
          }, calibration ${calibration.toFixed(3)}`,
      );
    }
  }
}
