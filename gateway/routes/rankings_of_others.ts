/**
 * Rankings of other gateways that the events of a request may belong to: the one that an event
 * names, or those that showed its item to its user.
 */
import { type RankingsUnreadError, UNLOGGED_ITEM } from "../../mesh/ports/shared_rankings.ts";
import type { UserRanking } from "../memory/user_rankings.ts";
import type { GatewayParts, NamedRanking, RememberedRanking } from "../parts.ts";
import type { EventRequest } from "../schemas/events.ts";
import type { CheckedEvent } from "./event_checks.ts";
import { mayBeShared } from "./unlogged_rankings.ts";
import type { UnrankedEvents } from "./unranked_events.ts";

/** By event; absent where it needs none. */
export type RankingsOfOthers = ReadonlyMap<EventRequest, RankingsOfEvent>;

interface RankingsOfEvent {
  /** Rankings of which their gateways know that they showed the item to the user, newest first. */
  readonly served: readonly UserRanking[];
  /** Why one of them cannot be read at the moment. */
  readonly unread?: Error | undefined;
  /** The ranking that the event names, where this gateway and the server do not know it. */
  readonly elsewhere?: RememberedRanking | undefined;
}

export class OtherRankingsLoader {
  readonly #parts: GatewayParts;
  readonly #unranked: UnrankedEvents;

  constructor(parts: GatewayParts, unranked: UnrankedEvents) {
    this.#parts = parts;
    this.#unranked = unranked;
  }

  /**
   * Loads the rankings of a request's events that this gateway does not know, or that the log had
   * not taken.
   *
   * @param leftMs Time that the request has left, ms; throws where it has none.
   */
  async load(checked: readonly CheckedEvent[], leftMs: () => number): Promise<RankingsOfOthers> {
    const { sharedRankings } = this.#parts;
    const budgetMs = leftMs();
    if (sharedRankings === undefined) return new Map();
    const found = await this.#findOfOthers(checked, budgetMs);
    const needed = checked.flatMap((each) => {
      if (each.kind === "refused") return [];
      const { event } = each;
      const served = found.get(event) ?? [];
      const ids = [...this.#rankingsToLoad(event), ...served.map(({ rankingId }) => rankingId)];
      return ids.length === 0 ? [] : { event, served, ids };
    });
    if (needed.length === 0) return new Map();
    const unread = await sharedRankings.load(needed.flatMap(({ ids }) => ids));
    const reasonOf = (ids: readonly string[]) => ids.flatMap((id) => unread.get(id) ?? []).at(0);
    const readable = needed.filter(({ ids }) => reasonOf(ids) === undefined);
    const named = readable.map(({ event }) => event).filter(namesRanking);
    const elsewhere: Elsewhere<EventRequest> = await checkElsewhere(named, this.#parts, leftMs);
    return new Map(needed.map(({ event, served, ids }) => {
      const found = elsewhere.get(event);
      return [
        event,
        found instanceof Error
          ? { served, unread: found }
          : { served, unread: reasonOf(ids), elsewhere: found },
      ];
    }));
  }

  /** The rankings of other gateways that may have caused new events which name their user. */
  async #findOfOthers(
    checked: readonly CheckedEvent[],
    budgetMs: number,
  ): Promise<ReadonlyMap<EventRequest, readonly UserRanking[]>> {
    const { otherGateways, options: { eventsWithoutRanking: { match, withinMs } } } = this.#parts;
    if (otherGateways === undefined || match === "none") return new Map();
    const events = checked.flatMap((each) =>
      each.kind === "valid" && each.user !== undefined ? [{ ...each, user: each.user }] : []
    );
    if (events.length === 0) return new Map();
    const asked = events.map(({ event: { item }, user, atMs }) => ({ user, item, atMs }));
    const found = await otherGateways.findRankings(asked, withinMs, budgetMs);
    return new Map(events.map(({ event }, i) => [event, found[i]]));
  }

  #rankingsToLoad({ rankingId, user, item }: EventRequest): readonly string[] {
    if (rankingId !== undefined) {
      const isLoaded = this.#parts.options.unknownRankings !== "accept" &&
        mayBeShared(rankingId, this.#parts);
      return isLoaded ? [rankingId] : [];
    }
    return user === undefined ? [] : this.#unranked.unloggedOf(user, item);
  }
}

function namesRanking(event: EventRequest): event is EventRequest & NamedRanking {
  return event.rankingId !== undefined;
}

/** Rankings by the event or report that names them, as `OtherRankings.checkRankings` tells them. */
type Elsewhere<N> = ReadonlyMap<N, RememberedRanking | RankingsUnreadError>;

/**
 * Asks the other gateways for the rankings that neither this one nor the server knows: an event or
 * a report on them would be refused for good.
 *
 * @param leftMs Time that the request has left, ms; throws where it has none.
 * @returns Entries are absent where no other gateway was asked.
 */
export async function checkElsewhere<N extends NamedRanking>(
  named: readonly N[],
  { otherGateways, memory, sharedRankings }: GatewayParts,
  leftMs: () => number,
): Promise<Elsewhere<N>> {
  if (otherGateways === undefined || !memory.isComplete) return new Map();
  const unknown = named.filter(({ rankingId }) =>
    !memory.rankings.has(rankingId) &&
    sharedRankings?.check(rankingId, UNLOGGED_ITEM) === "unknown-ranking"
  );
  if (unknown.length === 0) return new Map();
  const asked = unknown.map(({ rankingId, item }) => ({ rankingId, item }));
  const checked = await otherGateways.checkRankings(asked, leftMs());
  return new Map(unknown.map((each, i) => [each, checked[i]]));
}
