/**
 * The shop that scenarios share: its configuration and its visitors.
 */
import { ruledRequest } from "./shop_rules.ts";
import {
  type ActionValues,
  Visitor,
  type VisitorOptions,
  type VisitorRanking,
} from "../world/visitor.ts";
import type { World } from "../world/world.ts";

/**
 * A small model over users, items and one list, with rules that decide at once and rules that wait.
 */
export const shopConfiguration = `
features:
  itemCache: 64KiB
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    tags: { kind: list, source: item }
attributes: { item: { price: number }, user: { price: number } }
model: { kind: logisticRegression, tasks: [bought] }
joiner:
  window: 3s
  impressionsMax: 20000
  lateLabels: { bought: 9s }
  tasks:
    bought:
      - { action: purchase, label: positive, final: true }
      - { action: click, label: positive }
      - { action: dislike, label: negative, final: true }
kept:
  valuesMax: 3
  features:
    recent: { kind: history, action: click, last: 5 }
    seen: { kind: history, action: shown, last: 10 }
    clicks_minute: { kind: count, by: item, of: click, window: 1m }
    shown_minute: { kind: count, by: item, of: shown, window: 1m }
    clicks_now: { kind: count, by: user, of: click, session: 1m }
    tags_bought:
      kind: rate
      by: user
      slot: tags
      of: purchase
      window: 1h
      prior: { rate: 0.1, weight: 5 }
scenarios:
  fresh:
    newItems: { when: shown_minute < 3, share: 0.3, top: 4 }
  plain: {}
trainer: { batchRows: 8, linger: 20ms }
shards: { count: 2 }
storage: { kind: directory, path: simulated }
`;

/** Items of the shop at one time. */
const ITEMS = 40;
/** Items that go out of the shop, and new ones that come, in a second: rows grow old. */
const NEW_ITEMS_PER_SECOND = 2;
const TAGS = ["red", "green", "blue"];
const ACTIONS = ["purchase", "click", "click", "dislike", "look"];
/** Share of actions after which the visitor acts on the same item again. */
const AGAIN = 0.1;
/** Share of events that name the user and no ranking, by default. */
const UNRANKED = 0.15;
/** Share of visits in which the visitor also buys an item that no ranking may have shown. */
const ELSEWHERE = 0.1;
/** Share of visits that end with an event that was sent before, by default. */
const REPEATED = 0.1;
/** Share of visits of a shop with recommendations that ask for some. */
const RECOMMENDED = 0.4;
/** Share of visits of such a shop that ask for items similar to one. */
const SIMILAR = 0.2;
/** Share of visits of such a shop in which an item is stored, or deleted. */
const STORED = 0.6;
const DELETED = 0.1;
/** Conditions of requests for recommendations; the last two read the user and the time. */
const FILTERS = [
  "price < 5",
  '"red" in tags',
  '"green" in tags && price >= 2',
  "price == user.price",
  "price < 9 && now > hours(1)",
];
/** Share of rankings that await reports of shown items. */
const AWAITING = 0.25;
/** Share of visits in which the visitor reports shown items, and of those that report twice. */
const REPORTED = 0.3;
const REPORTED_AGAIN = 0.2;
/** Longest time between a ranking and a report, ms: some windows of 3 s are over then. */
const REPORT_MS_MAX = 4_000;
/** Share of visits after which the visitor asks to be erased. */
const ERASED = 0.02;
/** Share of erasures that are asked for twice. */
const ERASED_AGAIN = 0.4;
/** Longest time between the two, ms: the second pass of the first may be over then. */
const ERASED_AGAIN_MS_MAX = 3_000;
/** Share of erasures during which a ranking of the user is under way. */
const RANKED_MEANWHILE = 0.5;
/** Pause between two visits, ms. */
const PAUSE_MS_MAX = 400;

/** Period of the values' course, ms; its last part has values that no model can learn. */
const VALUES_PERIOD_MS = 4_000;
const WRONG_VALUES_MS = 600;
/** Its square exceeds the greatest float32. */
const WRONG_VALUE = 1e30;

/** The value of an action, in a shop whose model predicts the values of purchases. */
function valueOf({ configuration }: World, action: string, atMs: number): number | undefined {
  const isPredicted = configuration.model.tasks?.some(({ loss }) => loss === "squaredError");
  if (action !== "purchase" || !isPredicted) return undefined;
  const isWrong = atMs % VALUES_PERIOD_MS >= VALUES_PERIOD_MS - WRONG_VALUES_MS;
  return isWrong ? WRONG_VALUE : 1 + atMs % 7;
}

/** How often a visitor does the less usual things. */
export interface VisitShares extends Pick<VisitorOptions, "asksAgain"> {
  /** Share of visits after which the visitor asks to be erased. */
  readonly erased?: number;
  /** Share of visits that end with an event that was sent before. */
  readonly repeated?: number;
  /** Share of events that name the user and no ranking. */
  readonly unranked?: number;
}

/** Asks for rankings and acts on some of them, until the world stops. */
export async function visitShop(
  world: World,
  client: string,
  { erased = ERASED, asksAgain = false, ...shares }: VisitShares = {},
): Promise<void> {
  const values: ActionValues = (action, atMs) => valueOf(world, action, atMs);
  const visitor = new Visitor(world, client, { values, asksAgain });
  const { random } = visitor;
  const ofRules = world.random(`visitor/${client}/rules`);
  while (world.running) {
    const ruled = ruledRequest(ofRules, candidates(visitor));
    const ranking = await visitor.rank(ruled.candidates, {
      ...requestExtras(visitor),
      ...ruled.more,
    });
    if (ranking !== undefined) {
      if (random.nextFloat() < REPORTED) void reportShown(visitor, ranking);
      await actOn(visitor, ranking, shares);
    }
    if (world.configuration.retriever !== undefined) await visitRecommendations(visitor, shares);
    if (random.nextFloat() < erased) await eraseVisitor(visitor);
    await world.sleep(random.nextFloat() * PAUSE_MS_MAX);
  }
}

/** Asks to be erased, perhaps twice, and perhaps while a ranking is under way. */
async function eraseVisitor(visitor: Visitor): Promise<void> {
  const { random } = visitor;
  if (random.nextFloat() < RANKED_MEANWHILE) void visitor.rank(candidates(visitor));
  const isTwice = random.nextFloat() < ERASED_AGAIN;
  await visitor.erase(isTwice ? random.nextFloat() * ERASED_AGAIN_MS_MAX : undefined);
}

/** Some ids, each once. */
function candidates({ random, world }: Visitor): string[] {
  const count = 1 + Math.floor(random.nextFloat() * 6);
  const first = Math.floor(world.clock.monotonicMs() / 1_000 * NEW_ITEMS_PER_SECOND);
  const ids = Array.from(
    { length: count },
    () => `item-${first + Math.floor(random.nextFloat() * ITEMS)}`,
  );
  return [...new Set(ids)];
}

/** A request's less usual fields, now and then. */
function requestExtras({ random }: Visitor): Record<string, unknown> {
  return {
    ...(random.nextFloat() < 0.2 && { explain: true }),
    ...(random.nextFloat() < 0.2 && { limit: 2 }),
    ...(random.nextFloat() < AWAITING && { awaitShown: true }),
    ...(random.nextFloat() < 0.3 && {
      context: { tags: TAGS.slice(0, 1 + Math.floor(random.nextFloat() * 3)) },
    }),
  };
}

/** Reports some items after some time, and few of the reports again. */
async function reportShown(visitor: Visitor, ranking: VisitorRanking): Promise<void> {
  const { random, world } = visitor;
  const items = ranking.items.map(({ id }) => id).filter(() => random.nextFloat() < 0.6);
  const again = random.nextFloat() < REPORTED_AGAIN;
  await world.sleep(random.nextFloat() * REPORT_MS_MAX);
  if (items.length === 0) return;
  await visitor.report(ranking, items);
  if (again) await visitor.report(ranking, items);
}

/** Acts on some items, and on few of them again, also where the first action was final. */
async function actOn(
  visitor: Visitor,
  ranking: VisitorRanking,
  { repeated = REPEATED, unranked = UNRANKED }: VisitShares,
): Promise<void> {
  const { random } = visitor;
  for (const { id } of ranking.items) {
    if (random.nextFloat() > 0.35) continue;
    do {
      const named = random.nextFloat() < unranked ? undefined : ranking;
      await visitor.act(named, id, ACTIONS[Math.floor(random.nextFloat() * ACTIONS.length)]);
    } while (random.nextFloat() < AGAIN);
  }
  if (random.nextFloat() < ELSEWHERE) {
    const [elsewhere] = candidates(visitor);
    await visitor.act(undefined, elsewhere, "purchase");
  }
  if (random.nextFloat() < repeated) await visitor.repeat();
}

/** Changes stored items, and asks for recommendations and acts on some of them. */
async function visitRecommendations(visitor: Visitor, shares: VisitShares): Promise<void> {
  const { random } = visitor;
  const [item] = candidates(visitor);
  if (random.nextFloat() < STORED) {
    const tags = TAGS.filter(() => random.nextFloat() < 0.5);
    await visitor.store(item, { tags, price: Math.floor(random.nextFloat() * 10) });
  }
  if (random.nextFloat() < DELETED) await visitor.remove(item);
  if (random.nextFloat() < SIMILAR) {
    const similar = await visitor.similar(item, similarExtras(visitor));
    if (similar !== undefined) await actOn(visitor, similar, shares);
  }
  if (random.nextFloat() >= RECOMMENDED) return;
  const recommended = await visitor.recommend(recommendExtras(visitor));
  if (recommended !== undefined) await actOn(visitor, recommended, shares);
}

function similarExtras({ random }: Visitor): Record<string, unknown> {
  const filter = FILTERS.filter(() => random.nextFloat() < 0.1).join(" && ");
  return {
    limit: 1 + Math.floor(random.nextFloat() * 8),
    ...(filter !== "" && { rules: { filter } }),
    ...(random.nextFloat() < 0.3 && { orderBy: "score" }),
  };
}

function recommendExtras({ random }: Visitor): Record<string, unknown> {
  const filter = FILTERS.filter(() => random.nextFloat() < 0.2).join(" && ");
  return {
    limit: 1 + Math.floor(random.nextFloat() * 8),
    candidates: 1 + Math.floor(random.nextFloat() * 20),
    ...(filter !== "" && { rules: { filter } }),
    ...(random.nextFloat() < 0.2 && { sources: ["recent", "model"] }),
    ...(random.nextFloat() < 0.1 && { learn: false }),
    ...(random.nextFloat() < 0.3 && { userFields: { price: Math.floor(random.nextFloat() * 10) } }),
  };
}
