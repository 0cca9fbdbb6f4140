/**
 * Traffic whose every event makes one example: each visit has a user of its own, and every shown
 * item gets a final label. Events that were not answered are sent again, as a client would.
 */
import type { Client, Event } from "../integration/small_mesh.ts";
import { isTooSlow, untilAnswered } from "./slow_server.ts";

const SHOWN = ["c1", "c2", "d1", "d2"];

export class Traffic {
  /** Ids of the events that were answered `accepted` or `duplicate`. */
  readonly answered = new Set<string>();
  /** Events whose answer was not the right one. */
  readonly wrong: string[] = [];
  /** The newest acceptance, ms. */
  acceptedAtMs = 0;
  #unanswered: Event[][] = [];
  #visits = 0;

  /** Sends the unanswered events of earlier runs. */
  async resend(client: Client): Promise<void> {
    while (this.#unanswered.length > 0) {
      // They stay unanswered when the server is killed meanwhile.
      await this.#post(client, this.#unanswered[0]);
      this.#unanswered.shift();
    }
  }

  /** One event that was answered, again: the server must know it. */
  async recheck(client: Client, event: Event): Promise<void> {
    const [{ status }] = await client.post([event]);
    if (status !== "duplicate") this.wrong.push(`${event.eventId} again: ${status}`);
  }

  /** Visitors at once, until `stopped`. An error after that is the kill. */
  async visit(
    client: Client,
    visitors: number,
    stopped: () => boolean,
  ): Promise<Event | undefined> {
    let last: Event | undefined;
    await Promise.all(Array.from({ length: visitors }, async () => {
      while (!stopped()) {
        let events: Event[] = [];
        try {
          const visit = this.#visits++;
          const { rankingId } = await client.rank(`user-${visit}`, SHOWN);
          events = SHOWN.map((item) => ({
            eventId: `${visit}-${item}`,
            rankingId,
            item,
            action: item[0] === "c" ? "click" : "dismiss",
          }));
          await this.#post(client, events);
          last = events[0];
        } catch (error) {
          if (events.length > 0 && !events.every(({ eventId }) => this.answered.has(eventId))) {
            this.#unanswered.push(events);
          }
          if (!stopped() && !isConnectionError(error) && !isTooSlow(error)) throw error;
          if (!stopped() && !isTooSlow(error)) return;
        }
      }
    }));
    return last;
  }

  async #post(client: Client, events: Event[]): Promise<void> {
    for (
      const { eventId, status, acceptedAtMs } of await untilAnswered(() => client.post(events))
    ) {
      if (status === "rejected") this.wrong.push(`${eventId}: rejected`);
      else this.answered.add(eventId);
      this.acceptedAtMs = Math.max(this.acceptedAtMs, acceptedAtMs ?? 0);
    }
  }
}

/** The process was killed, or its system call was. */
function isConnectionError(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof Error && error.name === "Http");
}
