/**
 * Cairn as a process of its own, which serves the shop: core time per ranking is then the
 * process's, without the client's.
 *
 *     shop_server.ts --directory <empty folder> --items <count> [--traced <share of requests>]
 *         [--paused]
 *
 * Prints the URL as one line when every item is learned and was ranked once, so that the caches are
 * full. Ends when its standard input does. With `--paused` it trains on no ranking.
 */
import { parseArgs } from "node:util";
import { HttpPort } from "../../../server/machine/http_port.ts";
import { startMesh } from "../../../server/machine/start_mesh.ts";
import { waitReady } from "../../../server/waits.ts";
import { learnItems, NO_NEGATIVES, shopConfiguration, writeProfiles } from "./shop.ts";

const { values: { directory = "", items = "50000", traced = "0", paused } } = parseArgs({
  options: {
    directory: { type: "string" },
    items: { type: "string" },
    traced: { type: "string" },
    paused: { type: "boolean", default: false },
  },
});
const itemCount = Number(items);
await writeProfiles(directory, itemCount);
const configuration = shopConfiguration(directory, {
  tracedShare: Number(traced),
  ...(paused && { negativesShare: NO_NEGATIVES }),
});
const mesh = await startMesh(configuration, {
  logLevelMin: "warn",
  writeLog: (line) => console.error(line),
  onFatal: (error) => {
    console.error(error);
    Deno.exit(1);
  },
});
const { http, gateway } = mesh.configuration;
const port = await HttpPort.open({ ...http, setting: "--port", drainMs: gateway.deadlineMs });
port.serve(mesh.fetch);
await waitReady(mesh);
await learnItems(mesh, itemCount);
await rankAllOnce(port.url);
console.log(port.url);
for await (const _ of Deno.stdin.readable) { /* until the parent closes it */ }
await port.close();
await mesh.stop();

async function rankAllOnce(url: string): Promise<void> {
  for (let from = 0; from < itemCount; from += 500) {
    const count = Math.min(500, itemCount - from);
    const response = await fetch(`${url}/v1/rank`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        user: "u1",
        limit: 1,
        candidates: Array.from({ length: count }, (_, i) => ({ id: `i${from + i}` })),
      }),
    });
    if (!response.ok) throw new Error(`Answered ${response.status}: ${await response.text()}`);
    await response.body?.cancel();
  }
}
