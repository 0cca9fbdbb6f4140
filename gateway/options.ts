/**
 * What an operator decides about the HTTP door: plain data, checked by the configuration.
 */
export interface GatewayOptions {
  /** Keys that open `/v1`, sent as `Authorization: Bearer …` or `X-API-Key`. Empty = open to everyone. */
  readonly apiKeys: readonly string[];
  /** Largest request body, bytes. */
  readonly bodyBytesMax: number;
  /** Time that one request may take from its arrival, body included, ms. What is left goes along with each ask. */
  readonly deadlineMs: number;
  /** Requests to `/v1` that may be in progress; one more is answered 429 at once. */
  readonly requestsInFlightMax: number;
  /** How far a timestamp may lie ahead of this machine's clock, ms. One far ahead would close every joiner window. */
  readonly timestampAheadMsMax: number;
  /** Event ids remembered, newest first, so that a repeated event is answered `duplicate`. */
  readonly eventsRememberedMax: number;
  /** Rankings remembered, newest first, so that an event for an unknown one is told apart. */
  readonly rankingsRememberedMax: number;
  /**
   * An event whose ranking is not remembered here: `refuse` says so to the client; `accept` lets the joiner decide
   * (for several gateways on one event log, each of which sees only its own rankings).
   */
  readonly unknownRankings: "refuse" | "accept";
  /** Serve the page to try the API at `/`. */
  readonly docsPage: boolean;
}

export const defaultGatewayOptions: GatewayOptions = {
  apiKeys: [],
  bodyBytesMax: 1024 * 1024,
  deadlineMs: 1000,
  requestsInFlightMax: 1024,
  timestampAheadMsMax: 60_000,
  eventsRememberedMax: 200_000,
  rankingsRememberedMax: 100_000,
  unknownRankings: "refuse",
  docsPage: true,
};

/** Candidates of one ranking. */
export const candidatesMax = 500;

/** Events of one batch. */
export const eventsPerBatchMax = 1000;

/** Profiles of one list. */
export const profilesPerListMax = 1000;
