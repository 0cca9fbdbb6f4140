/** Looks for shared rankings whose answers come in an order that no real server shows at will. */
import assert from "node:assert/strict";
import { LogFullError } from "../../../../mesh/ports/event_log.ts";
import { RankingsAwaitedError } from "../../../../mesh/ports/shared_rankings.ts";
import type { RedisEventLog } from "../../../../mesh/adapters/redis/redis_event_log.ts";
import type { RedisServer } from "../../../../mesh/adapters/redis/redis_server.ts";
import { RedisSharedRankings } from "../../../../mesh/adapters/redis/redis_shared_rankings.ts";
import { fnv1a } from "../../../../structures/fnv1a.ts";

/** Rankings of a server whose run is old; `write` answers its probe, and `stored` is read. */
function rankingsOf(write: () => Promise<unknown>, sharingMs = 0) {
  const stored = { bytes: null as Uint8Array | null };
  const commands = {
    onReady: () => () => {},
    sendForBytes: () => Promise.resolve([stored.bytes]),
    send: write,
  };
  const runs = { changedMs: Infinity, enteredMs: Infinity };
  const rankings = new RedisSharedRankings({
    server: {
      commands,
      runs,
      key: (name: string) => name,
      url: "redis://r",
    } as unknown as RedisServer,
    eventLog: { refusal: () => undefined } as unknown as RedisEventLog,
    retainedMs: 60_000,
    sharingMs,
  });
  return { rankings, stored };
}

const ofItem = (item: string) => new Uint8Array(new Uint32Array([fnv1a(item)]).buffer);

Deno.test("a look that found nothing does not replace what a later one has found", async () => {
  const written = Promise.withResolvers<unknown>();
  const { rankings, stored } = rankingsOf(() => written.promise);
  const early = rankings.load(["r"]);
  await Promise.resolve();
  stored.bytes = ofItem("a");
  await rankings.load(["r"]);
  written.resolve("OK");
  assert.equal((await early).size, 0);
  assert.equal(rankings.check("r", "a"), "shown");
  rankings.close();
});

Deno.test("rankings may come for a while after the server had no memory for a look's write", async () => {
  let writes = 0;
  const { rankings } = rankingsOf(() => {
    return writes++ === 0
      ? Promise.reject(new Error("OOM command not allowed"))
      : Promise.resolve();
  }, 60_000);
  const reasonOf = async () => (await rankings.load(["r"])).get("r");
  assert.ok(await reasonOf() instanceof LogFullError);
  assert.ok(await reasonOf() instanceof RankingsAwaitedError, "another gateway may write it late");
  rankings.close();
});
