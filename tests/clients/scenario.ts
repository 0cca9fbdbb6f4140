/**
 * One use of the TypeScript client after the other against a server behind a {@link FaultyProxy}.
 * Prints its findings as JSON; scenario.py does the same with the Python client. Runs in Deno and,
 * transpiled, in Node.
 *
 *     scenario.ts <the client's module> <the proxy's URL> <prefix of ids> <a URL without a server>
 */
import type * as client from "../../clients/cairn.ts";

declare const Deno: { args: string[] } | undefined;
declare const process: { argv: string[] };

const args = typeof Deno === "undefined" ? process.argv.slice(2) : Deno.args;
const [module, url, prefix, nowhere] = args;
const { Cairn, CairnProblemError, CairnUnreachableError }: typeof client = await import(module);

async function faults(...list: string[]): Promise<void> {
  await (await fetch(`${url}/faults`, { method: "POST", body: JSON.stringify(list) })).text();
}

const lost: { ids: (string | undefined)[]; kind: string }[] = [];
const cairn = new Cairn({
  url,
  backoffMs: 10,
  // Never over here: only a full batch, a flush and the close send events.
  flushMs: 3_600_000,
  batchEventsMax: 3,
  onLost: ({ events, error }) =>
    lost.push({
      ids: events.map(({ eventId }) => eventId),
      kind: error instanceof CairnProblemError ? error.kind : error.name,
    }),
});
const findings: Record<string, unknown> = {};

const item = (n: number) => `${prefix}/item ${n}`;
const stored = await cairn.items.put(item(1), { tags: ["a"], price: 2 });
findings.put = [stored.version, stored.attributes];
findings.get = (await cairn.items.get(item(1)))?.attributes;
findings.absent = await cairn.users.get(`${prefix}-absent`) ?? null;
const many = await cairn.items.putMany([
  ...Array.from({ length: 1200 }, (_, i) => ({ id: item(i + 1), attributes: { tags: ["b"] } })),
  { id: item(1201), attributes: { tags: 7 } },
]);
findings.putMany = [many.stored, many.rejected, many.profiles.length, many.profiles[1200].status];
await cairn.items.delete(item(1200));
const patched = await cairn.items.patch(item(1), { price: 3, tags: null });
findings.patch = patched.attributes;
const listed = new Set<string>();
for await (const { id } of cairn.items.list()) if (id.startsWith(prefix)) listed.add(id);
findings.listed = [listed.size, await cairn.items.count() >= 1199];
const stale: string[] = [];
for await (const { id } of cairn.items.list({ writtenBefore: 1772366400000 })) stale.push(id);
findings.stale = stale.length;
findings.deleted = await cairn.items.get(item(1200)) ?? null;

const { erasureId, profile } = await cairn.users.forget(`${prefix}/bob`);
findings.erasure = [
  profile.removed,
  (await cairn.users.erasure(erasureId)).erasureId === erasureId,
];

const candidates = [{ id: item(1) }, { id: item(2) }, { id: item(3) }];
await faults("busy", "html", "gone", "lost");
const ranking = await cairn.rank({ user: `${prefix}-ann`, candidates });
findings.rank = [ranking.items.length, typeof ranking.items[0].score];

const { rankingId } = ranking;
await faults("lost");
const reported = await cairn.shown({ rankingId, items: [item(3), item(1), item(2)] });
findings.shown = [reported.rankingId === rankingId, reported.items, reported.note ?? null];
findings.notShown = await cairn.shown({ rankingId, items: ["elsewhere"] }).catch((error) =>
  error instanceof CairnProblemError ? [error.kind, error.attempts] : String(error)
);

await faults("busy", "lost", "gone");
const eventIds = [1, 2, 3].map((n) => cairn.track({ rankingId, item: item(n), action: "click" }));
const wrong = cairn.track({ rankingId, item: "elsewhere", action: "click" });
await cairn.flush();
findings.lost = lost.map(({ ids, kind }) => [ids.map((id) => id === wrong), kind]);
const again = await cairn.sendEvents(
  eventIds.map((eventId, i) => ({ eventId, rankingId, item: item(i + 1), action: "click" })),
);
findings.again = [again.accepted, again.duplicates, again.rejected];
const mixed = await cairn.sendEvents([
  { rankingId, item: item(1), action: "dismiss" },
  { rankingId, item: "elsewhere", action: "click" },
]);
findings.mixed = [mixed.accepted, mixed.duplicates, mixed.rejected, mixed.events[1].status];

for (let tries = 0; tries < 200; tries++) {
  const recommended = await cairn.recommend({ user: `${prefix}-ann`, limit: 5 });
  findings.recommended = recommended.items.length;
  if (findings.recommended === 5) break;
  await new Promise((resolve) => setTimeout(resolve, 50));
}
const similar = await cairn.similar({ item: item(2), limit: 3, learn: false });
findings.similar = similar.items.length;

findings.wrong = await cairn.rank({ user: "ann", candidates: [] }).catch((error) =>
  error instanceof CairnProblemError
    ? [error.kind, error.status, error.attempts, error.problem.errors?.[0].pointer]
    : String(error)
);
await faults("html", "html", "html");
findings.givenUp = await new Cairn({ url, retriesMax: 1, backoffMs: 1 }).users.get("ann").catch(
  (error) =>
    error instanceof CairnProblemError
      ? [error.kind, error.status, error.attempts, error.problem.detail]
      : String(error),
);
await faults();
findings.unreachable = await new Cairn({ url: nowhere, retriesMax: 1, backoffMs: 1 }).users.get(
  "ann",
)
  .catch((error) => error instanceof CairnUnreachableError ? error.attempts : String(error));

cairn.track({ eventId: `${prefix}-last`, rankingId, item: item(2), action: "click" });
await cairn.close();
const last = { eventId: `${prefix}-last`, rankingId, item: item(2), action: "click" };
findings.closed = (await cairn.sendEvents([last])).duplicates;
try {
  cairn.track(last);
} catch (error) {
  findings.afterClose = (error as Error).name;
}
console.log(JSON.stringify(findings));
