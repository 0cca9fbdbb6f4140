/**
 * Measures the gain of a shop from its history: imports two thirds of its order lines by time, and
 * replays the rest over HTTP on a server that starts from the import, on one that keeps no
 * features, and on one that starts empty.
 *
 *     deno task shop --path online_retail.csv.gz [--json] [--config examples/shop.yaml]
 *
 * With --json the last line is the result: order lines imported and refused, seconds of the import,
 * AUC as served of all servers, the share of an order's items among 20 recommended ones and among
 * the 20 most popular ones, the share of the recommended items that were sold in the 30 days
 * before, and the p99 of rankings and recommendations.
 */
import { parseArgs } from "node:util";
import { describeError } from "../../cli/errors.ts";
import { bundledFile } from "../../cli/options.ts";
import { enterCallersFolder } from "../../cli/working_directory.ts";
import { measureShop, type ShopFigures } from "./measure_shop.ts";

if (import.meta.main) {
  enterCallersFolder();
  const { values } = parseArgs({
    options: {
      path: { type: "string" },
      config: { type: "string", default: bundledFile("examples/shop.yaml") },
      set: { type: "string", multiple: true, default: [] },
      visits: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const { path, config, set, visits, json } = values;
  if (path === undefined) {
    console.error("Name the table of order lines: deno task shop --path online_retail.csv.gz");
    Deno.exit(2);
  }
  try {
    const visitsMax = visits === undefined ? Infinity : Number(visits);
    const figures = await measureShop({ path, config, set, visitsMax, tell: console.error });
    console.log(json ? JSON.stringify(figures) : describe(figures));
  } catch (error) {
    console.error(`error: ${describeError(error, false)}`);
    Deno.exit(1);
  }
}

function describe(figures: ShopFigures): string {
  const { imported, refused, seconds, servedAucCold, servedAucWarm, rankP99Ms } = figures;
  const { servedAucNoHistory, recallAt20, recallAt20Popular, recommendP99Ms } = figures;
  const { recommendedSoldLately } = figures;
  return [
    `imported   ${imported} order lines in ${seconds} s, ${refused} refused`,
    `AUC        ${servedAucCold} as served from an empty server, ${servedAucWarm} after the import`,
    `           ${servedAucNoHistory} after the import without kept features`,
    `recall@20  ${recallAt20} of an order by recommendations, ${recallAt20Popular} by the most popular items`,
    `           ${recommendedSoldLately} of the recommended items were sold in the 30 days before`,
    `ranking    p99 ${rankP99Ms} ms for 50 candidates over HTTP`,
    `recommend  p99 ${recommendP99Ms} ms over HTTP`,
  ].join("\n");
}
