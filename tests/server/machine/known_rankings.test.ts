/**
 * Goal: gateways on Redis know rankings and events of each other for as long as an event on them
 * may still be learned from. Method: the stores of a serving host, and the lives of their keys.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { openHostMachine } from "../../../server/machine/machine.ts";
import { present } from "../../../structures/invariant.ts";
import { smallConfiguration } from "../../integration/small_mesh.ts";
import { withServers } from "../../mesh/adapters/redis/servers.ts";

const DAY_MS = 86_400_000;
/** No test takes as long. */
const SLACK_MS = 600_000;

await withServers(({ program, local, connect }) => {
  const cases = [
    ["the longest time of late labels", "lateLabels: { clicked: 7d, bought: 3d }", "", 7 * DAY_MS],
    ["the window where no label is late", "", "", 2_000],
    [
      "the time of events without a ranking",
      "",
      "eventsWithoutRanking: { within: 9d }",
      9 * DAY_MS,
    ],
  ] as const;
  for (const [name, joiner, gateway, expectedMs] of cases) {
    Deno.test(`${program}: rankings and ids of events are known for ${name}`, async () => {
      const folder = Deno.makeTempDirSync();
      const mesh = `known-${expectedMs}`;
      const storage = `{ kind: directory, path: data, redis: { url: "${local.url}" } }`;
      const text = smallConfiguration("in one thread", storage)
        .replace("tasks: [clicked]", "tasks: [clicked, bought]")
        .replace("joiner:\n", `joiner:\n  clockSkewMax: 1s\n  ${joiner}\n`)
        .replace("    clicked:\n", "    bought: [{ action: buy, label: positive }]\n    clicked:\n")
        .replace("deadline: 5s", ["deadline: 5s", ...gateway === "" ? [] : [gateway]].join(", "));
      const hosts = ["a", "b"].map((host, i) =>
        `    ${host}: { address: "127.0.0.1:740${i}", http: "127.0.0.1:808${i}", ` +
        `roles: [${i === 0 ? "serving, shards, trainer, joiner" : "serving"}] }\n`
      );
      const yaml = `${text}mesh:\n  id: ${mesh}\n  hosts:\n${hosts.join("")}`;
      const configuration = parseConfiguration(yaml, `${folder}/mesh.yaml`);
      const machine = await openHostMachine(configuration, "a");
      const server = await connect({ mesh });
      try {
        const { eventLog, sharedRankings } = machine.stores;
        const bytes = new Uint8Array(8);
        await sharedRankings?.append(0, { rankingId: "r", items: [{ id: "i" }], bytes });
        const event = { id: "e", bytes, content: "c", acceptedAtMs: 1, endsWithTime: false };
        await present(eventLog?.appendOnce, "a log on Redis").call(eventLog, 0, [event]);
        for (const key of ["ranking:r", "log:events:once:e"]) {
          const leftMs = await server.commands.send<number>(["PTTL", server.key(key)]);
          const beyondMs = leftMs - expectedMs;
          assert.ok(beyondMs > 0 && beyondMs < SLACK_MS, `${key}: ${leftMs} ms`);
        }
      } finally {
        server.close();
        await machine.close();
        Deno.removeSync(folder, { recursive: true });
      }
    });
  }
});
