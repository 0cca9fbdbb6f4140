/**
 * Looks at the links of a host now and then: reports their queues, and the hosts that should have
 * connected and never did.
 */
import type { Clock, Timer } from "../../ports/clock.ts";
import { untilNextMoment } from "../../runtime/common_moments.ts";
import type { Connection } from "./connection.ts";
import { type Purpose, purposes } from "./host_identity.ts";
import type { LinkReport } from "./link_report.ts";

/** Pause between two looks, ms. */
const WATCH_MS = 1_000;
/** Time in which a running host that connects with this one has done so, in looks. */
const LOOKS_TO_CONNECT = 15;

/** A connection that is looked at. */
export interface WatchedLink {
  readonly connection: Connection;
  /** Frames and bytes that were counted at the last look. */
  counted: Connection["queued"];
}

export interface LinkWatchOptions {
  /** Name of this host. */
  readonly own: string;
  /** Names of the other hosts. */
  readonly peers: readonly string[];
  readonly clock: Clock;
  readonly report: LinkReport;
  /** The present connection with a host; undefined where there is none. */
  readonly linkOf: (host: string, purpose: Purpose) => WatchedLink | undefined;
}

export class LinkWatch {
  readonly #options: LinkWatchOptions;
  #timer: Timer | undefined;

  constructor(options: LinkWatchOptions) {
    this.#options = options;
    this.#lookLater(0);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #lookLater(looks: number): void {
    const { clock } = this.#options;
    this.#timer = clock.schedule(untilNextMoment(clock, WATCH_MS), () => {
      for (const host of this.#options.peers) this.#look(host);
      if (looks === LOOKS_TO_CONNECT) this.#noteSilent();
      this.#lookLater(looks + 1);
    });
  }

  #look(host: string): void {
    const { report, linkOf } = this.#options;
    let unsentBytes = 0;
    for (const purpose of purposes) {
      const link = linkOf(host, purpose);
      if (link === undefined) continue;
      const { counted, connection: { queued } } = link;
      unsentBytes += link.connection.unsentBytes;
      report.sent(host, purpose, counted, queued);
      link.counted = queued;
    }
    report.unsent(host, unsentBytes);
  }

  /**
   * Notes the hosts that should have connected with this one and never did. They have no error to
   * log: a host that runs with an older file does not know this one.
   */
  #noteSilent(): void {
    const { own, peers, report, linkOf } = this.#options;
    for (const host of peers) {
      const isExpected = host < own && linkOf(host, "messages") === undefined;
      if (!isExpected || report.reasonOf(host) !== undefined) continue;
      const reason = `host ${host} has not connected; start it, or restart it with the file that ` +
        `lists ${own} under mesh.hosts`;
      report.notLinked(host, reason);
    }
  }
}
