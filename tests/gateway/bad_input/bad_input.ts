/** A wrong request with its expected answer, and the valid requests that most rows vary. */
export interface BadInput {
  readonly name: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  /** Text and bytes are sent unchanged, any other value as JSON. */
  readonly body?: unknown;
  readonly status: number;
  readonly type: string;
  readonly detail: RegExp;
  /** The first entries of `errors`, as `pointer detail`. */
  readonly errors?: readonly string[];
  readonly answerHeaders?: Record<string, string>;
  /** Wrong only with the fixture's clock, body limit of 4096 bytes, or keys. */
  readonly fixtureOnly?: true;
}

/** The request that a row describes. */
export function requestOf(
  { method = "POST", path = "/v1/rank", headers, body }: BadInput,
): Request {
  return new Request(`http://cairn${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body !== undefined && {
      body: typeof body === "string" || body instanceof Uint8Array
        ? body as BodyInit
        : JSON.stringify(body),
    }),
  });
}

export const goodRank = { user: "u", candidates: [{ id: "a" }] };
export const goodEvent = { eventId: "e", rankingId: "known", item: "a", action: "click" };
/** `n` distinct candidates. */
export const many = (n: number) => Array.from({ length: n }, (_, i) => ({ id: `item-${i}` }));
