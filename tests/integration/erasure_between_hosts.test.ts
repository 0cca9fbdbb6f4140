/**
 * Goal: an erasure that one gateway of a mesh takes leaves no trace on any host, replica, file or
 * Redis server when its receipt says `erased`, and that is before the stated time. Method: real
 * processes and a real server; the shards lie on other hosts than the gateways, and one of these
 * hosts is killed while the erasure is under way, and a serving host of the file never starts. The
 * shared directory has files such as killed hosts leave.
 */
import assert from "node:assert/strict";
import { installedProgram, LocalServer } from "../../mesh/adapters/redis/local_server.ts";
import { entriesOf, tracesIn } from "../traces_of_id.ts";
import { withHostsOnRedis } from "./hosts_on_redis.ts";

const program = installedProgram();
const USER = "ann.the-erased-visitor@example.org";
const items = Array.from({ length: 6 }, (_, i) => `item-${i}`);
const candidates = items.map((id) => ({ id }));

/** Requests to one gateway. */
class Gateway {
  constructor(readonly port: number) {}

  async send(method: string, path: string, body?: unknown) {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      }),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  }

  /** Ranks for the user and clicks; the time at which the click was accepted. */
  async visit(user: string, rankingId: string): Promise<number> {
    await this.send("POST", "/v1/rank", { user, rankingId, candidates });
    const event = { eventId: `${rankingId}-click`, rankingId, item: items[1], action: "click" };
    // Hosts that just began can be slow; the problem says to send the event again.
    let answer = await this.send("POST", "/v1/events", event);
    for (let tries = 1; answer.status === 504 && tries < 10; tries++) {
      answer = await this.send("POST", "/v1/events", event);
    }
    const { body } = answer;
    assert.equal(body.accepted + body.duplicates, 1, JSON.stringify(body));
    return body.events[0].acceptedAtMs;
  }

  /** Waits until the scores reflect all events accepted until then. */
  async learned(acceptedAtMs: number): Promise<void> {
    await until("learned", async () => {
      const { body } = await this.send("POST", "/v1/rank", { user: "x", candidates, learn: false });
      return body.learnedThroughMs >= acceptedAtMs;
    });
  }

  /** Contribution of the user's id to the scores: 0 where the replica has no row of it. */
  async contributionOf(user: string): Promise<number> {
    const { body } = await this.send("POST", "/v1/rank", {
      user,
      candidates,
      learn: false,
      explain: true,
    });
    const { explanation } = body.items[0];
    return explanation.find(({ slot }: { readonly slot: string }) => slot === "user").contribution;
  }

  /** The live view of the console: the activity of all gateways. */
  async activity(): Promise<string> {
    const aborted = new AbortController();
    const response = await fetch(`http://127.0.0.1:${this.port}/console/stream`, {
      signal: aborted.signal,
    });
    let text = "";
    try {
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
        text += part;
        if (/event: activity\ndata: .*\n\n/.test(text)) break;
      }
    } finally {
      aborted.abort();
    }
    return text;
  }
}

async function until(what: string, isTrue: () => Promise<boolean>, msMax = 90_000): Promise<void> {
  const endsMs = performance.now() + msMax;
  while (!await isTrue()) {
    assert.ok(performance.now() < endsMs, `${what}: not after ${msMax} ms`);
    // The console keeps 100 rankings, of which those of the user are looked for.
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Has the server write its append-only file anew, without the earlier commands. */
async function rewrite({ url }: LocalServer): Promise<void> {
  using connection = await Deno.connect({ transport: "unix", path: url.slice("unix://".length) });
  const ask = async (command: string) => {
    await connection.write(new TextEncoder().encode(`${command}\r\n`));
    const reply = new Uint8Array(4096);
    const bytes = await connection.read(reply) ?? 0;
    return new TextDecoder().decode(reply.subarray(0, bytes));
  };
  assert.match(await ask("BGREWRITEAOF"), /^\+/);
  await until(
    "rewritten",
    async () =>
      /aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0/.test(await ask("INFO persistence")),
  );
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Files as hosts leave them that are killed while they put blobs, all with the user's id. */
async function leaveUnfinishedPuts(data: string): Promise<string[]> {
  const snapshots = `${data}/blobs/snapshots`;
  let newest: string | undefined;
  await until("a first snapshot", async () => {
    const names = (await entriesOf(snapshots)).map(({ name }) => name);
    newest = names.sort().at(-1);
    return newest !== undefined;
  });
  const left = [
    `${snapshots}/000000000000007/shard-0/chunk-00000.7-5eed5eed-0.tmp`,
    `${snapshots}/${newest}/shard-1/chunk-00009.7-5eed5eed-1.tmp`,
    `${data}/blobs/keeper/0/t1/77/0.7-5eed5eed-2.tmp`,
    `${data}/blobs/keeper/0/t1/77/1`,
    `${data}/blobs/keeper/5/t1/1/0.7-5eed5eed-3.tmp`,
  ];
  for (const path of left) {
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(path, `${USER} `.repeat(1_000));
  }
  return left;
}

/** The configuration with a kept history in the model, and a short time for requests. */
function withKeptHistory(small: string): string {
  return small
    .replace("deadline: 5s", "deadline: 1s")
    .replace("    tags: {", "    clicked: { kind: list, source: user, idsOf: item }\n    tags: {") +
    `kept:
  features:
    clicked: { kind: history, action: click, last: 10 }
`;
}

Deno.test({
  name: "an erasure in a mesh leaves no trace on any host, in any file, or on Redis",
  ignore: program === undefined,
  async fn() {
    await withHostsOnRedis({
      program: program ?? "redis-server",
      // Uncompressed, so that the search finds ids in the file.
      settings: { rdbcompression: "no" },
      roles: {
        "edge-1": "serving, joiner, trainer",
        "edge-2": "serving",
        "tables-1": "shards",
        "tables-2": "shards",
      },
      absent: ["edge-3", "serving"],
      placement: "in worker threads",
      snapshots: "1s",
      mesh: ["heartbeat: 200ms", "silence: 10s"],
      change: withKeptHistory,
    }, async ({ folder, redis, processes, ports }) => {
      const [one, two] = ports.map((port) => new Gateway(port));
      await one.send("PUT", `/v1/users/${USER}`, { attributes: { clicked: items.slice(0, 2) } });
      let newest = 0;
      for (const [i, [gateway, user]] of [[one, USER], [two, USER], [two, "bob"]].entries()) {
        newest = await (gateway as Gateway).visit(user as string, `visit-${i}`);
      }
      for (const gateway of [one, two]) {
        await gateway.learned(newest);
        assert.notEqual(await gateway.contributionOf(USER), 0);
      }
      const dumped = async () => {
        await rewrite(redis);
        return await tracesIn(folder, USER);
      };
      const before = await dumped();
      assert.ok(before.some((trace) => trace.includes("/redis/")), "Redis has the id");
      assert.ok((await two.activity()).includes(USER), "the console has the id");
      const left = await leaveUnfinishedPuts(`${folder}/data`);
      const traces = await tracesIn(`${folder}/data`, USER);
      const found = left.filter((path) => traces.includes(`${path}: text`));
      assert.ok(found.length > 0, `${traces}`);
      for (const path of left) {
        // A snapshot may have deleted a file of another one meanwhile.
        if (await exists(path)) assert.ok(found.includes(path), path);
      }

      const { status, body } = await one.send("DELETE", `/v1/users/${USER}?forget=true`);
      assert.equal(status, 202, JSON.stringify(body));
      await processes.of("tables-1").kill("SIGKILL");
      await processes.start("tables-1");
      const receipt = async () => (await two.send("GET", `/v1/erasures/${body.erasureId}`)).body;
      await until("erased", async () => (await receipt()).status === "erased", 150_000);
      const erased = await receipt();
      assert.ok((erased.completedAtMs ?? Date.now()) < erased.byMs, "before the stated time");
      assert.deepEqual(erased.holds, []);

      assert.deepEqual(await dumped(), []);
      for (const gateway of [one, two]) {
        assert.equal(await gateway.contributionOf(USER), 0, "no replica has a row");
        assert.equal((await gateway.send("GET", `/v1/users/${USER}`)).status, 404);
        assert.ok((await gateway.contributionOf("bob")) !== 0, "the rows of others stay");
      }
      const activity = await two.activity();
      assert.deepEqual(
        ["visit-0", "visit-1", "visit-2"].map((visit) => activity.includes(visit)),
        [false, false, true],
        activity,
      );
    });
  },
});
