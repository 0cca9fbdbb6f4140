/** A request that a client gets wrong, with the answer that it gets; and the good ones that most of them are made of. */
export interface BadInput {
  readonly name: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  /** Text is sent as it is, bytes too; anything else as JSON. */
  readonly body?: unknown;
  readonly status: number;
  readonly type: string;
  readonly detail: RegExp;
  /** The first entries of `errors`, as `pointer detail`. */
  readonly errors?: readonly string[];
  readonly answerHeaders?: Record<string, string>;
  /** Wrong only under the fixture's settings: its clock, its body limit of 4096 bytes, its keys. */
  readonly fixtureOnly?: true;
}

/** The request of a row. */
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
/** So many candidates. */
export const many = (n: number) => Array.from({ length: n }, (_, i) => ({ id: `item-${i}` }));
