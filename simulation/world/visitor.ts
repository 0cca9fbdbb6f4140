/**
 * A visitor of a shop: asks for rankings, acts on items, and, as a shop's server would,
 * sends an event again until it is answered.
 */
import type { RandomStream } from "../../mesh/ports/random.ts";
import { Client, type Reply } from "./client.ts";
import type { World } from "./world.ts";

/** An item to rank, perhaps with attributes of its own for the request. */
export interface Candidate {
  readonly id: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** A ranking as the visitor got it. */
export interface VisitorRanking {
  readonly rankingId: string;
  readonly learnedThroughMs: number;
  readonly items: readonly { readonly id: string; readonly score: number }[];
}

/** An event as it is sent; it names its ranking, or its user. */
interface SentEvent {
  readonly eventId: string;
  readonly rankingId?: string;
  readonly user?: string;
  readonly item: string;
  readonly action: string;
  readonly value?: number;
}

/** How a visitor behaves. */
export interface VisitorOptions {
  /** The values of actions that {@link Visitor.act} is given none for. Default: none. */
  readonly values?: ActionValues;
  /**
   * Whether it asks once more, by its own id of the ranking, where it had no ranking. Default: no.
   */
  readonly asksAgain?: boolean;
}

/** The value that an action has at a time, ms of virtual time; undefined: none. */
export type ActionValues = (action: string, atMs: number) => number | undefined;

/** Events that {@link Visitor.repeat} chooses among. */
const REPEATED_MAX = 256;
/** Sends of one event at most. */
const SENDS_MAX = 20;
const RESEND_MS = 500;

/** A visitor of the simulated server. */
export class Visitor {
  readonly #client: Client;
  readonly random: RandomStream;
  #events = 0;
  #rankings = 0;
  /** How often the visitor was erased: it comes back under another id. */
  #erased = 0;
  readonly #sent: SentEvent[] = [];
  readonly #values: ActionValues;
  readonly #asksAgain: boolean;

  constructor(
    readonly world: World,
    readonly name: string,
    { values = () => undefined, asksAgain = false }: VisitorOptions = {},
  ) {
    this.#values = values;
    this.#asksAgain = asksAgain;
    this.#client = new Client(world, name);
    this.random = world.random(`visitor/${name}`);
  }

  /** The id under which it ranks and acts. */
  get user(): string {
    return this.#erased === 0 ? this.name : `${this.name}~${this.#erased}`;
  }

  /**
   * Asks to be erased until the server has answered, and goes on under another id.
   *
   * @param againAfterMs Asks a second time, so long after the answer.
   */
  async erase(againAfterMs?: number): Promise<Reply | undefined> {
    const { user } = this;
    this.#sent.splice(0);
    this.#erased++;
    const reply = await this.#erase(user);
    if (againAfterMs === undefined) return reply;
    await this.world.sleep(againAfterMs);
    return await this.#erase(user);
  }

  async #erase(user: string): Promise<Reply | undefined> {
    for (let sends = 0; sends < SENDS_MAX; sends++) {
      const reply = await this.#client.send("DELETE", `/v1/users/${user}?forget=true`);
      if (reply.status === 202) return reply;
      await this.world.sleep(RESEND_MS);
    }
    return undefined;
  }

  /** Asks for a ranking; undefined where the server did not give one. */
  async rank(
    items: readonly (string | Candidate)[],
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<VisitorRanking | undefined> {
    const candidates = items.map((item) => typeof item === "string" ? { id: item } : item);
    return await this.#ranking("/v1/rank", { candidates, ...more });
  }

  /** Asks for recommendations; undefined where the server did not give any. */
  async recommend(more: Readonly<Record<string, unknown>>): Promise<VisitorRanking | undefined> {
    return await this.#ranking("/v1/recommend", more);
  }

  /** Asks for items similar to an item; undefined where the server did not give any. */
  async similar(
    item: string,
    more: Readonly<Record<string, unknown>>,
  ): Promise<VisitorRanking | undefined> {
    return await this.#ranking("/v1/similar", { item, ...more });
  }

  /** Stores the attributes of an item in place of its former ones. */
  async store(item: string, attributes: Readonly<Record<string, unknown>>): Promise<Reply> {
    return await this.#client.send("PUT", `/v1/items/${item}`, { attributes });
  }

  /** Deletes the attributes of an item. */
  async remove(item: string): Promise<Reply> {
    return await this.#client.send("DELETE", `/v1/items/${item}`);
  }

  /**
   * Acts on an item, and sends the event until the server has answered whether it took it.
   *
   * @param ranking The ranking that the event names; undefined = it names the user.
   */
  async act(
    ranking: VisitorRanking | undefined,
    item: string,
    action: string,
    value = this.#values(action, this.world.clock.monotonicMs()),
  ): Promise<Reply | undefined> {
    const event: SentEvent = {
      eventId: `${this.name}-${this.#events++}`,
      ...(ranking === undefined ? { user: this.user } : { rankingId: ranking.rankingId }),
      item,
      action,
      ...(value !== undefined && { value }),
    };
    this.#sent.push(event);
    if (this.#sent.length > REPEATED_MAX) this.#sent.shift();
    return await this.#send(event);
  }

  /** Reports items of a ranking that it was shown. */
  async report({ rankingId }: VisitorRanking, items: readonly string[]): Promise<Reply> {
    return await this.#client.send("POST", "/v1/shown", { rankingId, items });
  }

  /** Sends one of its events again, as a queue does that delivers twice. */
  async repeat(): Promise<Reply | undefined> {
    const event = this.#sent[Math.floor(this.random.nextFloat() * this.#sent.length)];
    return event && await this.#send(event);
  }

  async #ranking(
    path: string,
    request: Readonly<Record<string, unknown>>,
  ): Promise<VisitorRanking | undefined> {
    const sent = {
      user: this.user,
      // By its own id a ranking is known whose answer does not come.
      ...((this.world.areImpatient || this.#asksAgain) &&
        { rankingId: `${this.name}-ranking-${this.#rankings++}` }),
      ...request,
    };
    let { status, body } = await this.#client.send("POST", path, sent);
    if (this.#asksAgain && (status === 0 || status >= 500)) {
      ({ status, body } = await this.#client.send("POST", path, sent));
    }
    return status === 200 ? body as VisitorRanking : undefined;
  }

  async #send(event: SentEvent): Promise<Reply | undefined> {
    for (let sends = 0; sends < SENDS_MAX; sends++) {
      const reply = await this.#client.send("POST", "/v1/events", event);
      if (reply.status !== 0 && reply.status < 500 && reply.status !== 429) return reply;
      await this.world.sleep(RESEND_MS);
    }
    return undefined;
  }
}
