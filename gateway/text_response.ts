/**
 * A response whose status, headers and text an HTTP server can take as they are.
 *
 * Making a `Response`, reading its text back and listing its headers costs 10 µs a request. This
 * class makes the real response only for code that uses it as one, such as tests; as in Hono's
 * adapter for Node, its prototype is that of `Response`.
 */

/** A name in lower case, and a value. */
export type HeaderField = readonly [name: string, value: string];

const properties = [
  "body",
  "bodyUsed",
  "headers",
  "ok",
  "redirected",
  "statusText",
  "type",
  "url",
] as const;
const methods = ["arrayBuffer", "blob", "bytes", "clone", "formData", "json", "text"] as const;

const jsonFields: readonly HeaderField[] = [["content-type", "application/json"]];

export class TextResponse {
  readonly #status: number;
  readonly #text: string;
  readonly #fields: HeaderField[];
  #response: Response | undefined;

  private constructor({ status, text, fields }: ResponseParts) {
    this.#status = status;
    this.#text = text;
    this.#fields = [...fields];
  }

  /** A response of these parts. */
  static of(parts: ResponseParts): Response {
    return new TextResponse(parts) as unknown as Response;
  }

  /** A response of JSON. */
  static json(value: unknown, status = 200): Response {
    return TextResponse.of({ status, text: JSON.stringify(value), fields: jsonFields });
  }

  /** Adds a header to a response of either kind. */
  static addHeader(response: Response, ...field: HeaderField): void {
    if (#fields in response && response.#response === undefined) response.#fields.push(field);
    else response.headers.set(...field);
  }

  /** Whether the response was made by this class. */
  static isText(response: Response): boolean {
    return #fields in response;
  }

  /** The parts of a response of either kind. */
  static partsOf(response: Response): ResponseParts | Promise<ResponseParts> {
    if (#fields in response && response.#response === undefined) {
      return { status: response.#status, fields: response.#fields, text: response.#text };
    }
    return readParts(response);
  }

  get status(): number {
    return this.#status;
  }

  static {
    Object.setPrototypeOf(TextResponse.prototype, Response.prototype);
    for (const name of properties) {
      Object.defineProperty(TextResponse.prototype, name, {
        get(this: TextResponse) {
          return this.#real[name];
        },
      });
    }
    for (const name of methods) {
      Object.defineProperty(TextResponse.prototype, name, {
        value(this: TextResponse) {
          return this.#real[name]();
        },
      });
    }
  }

  /** The real response, made when it is first needed. */
  get #real(): Response {
    return this.#response ??= new Response(this.#text, {
      status: this.#status,
      headers: this.#fields.map(([name, value]) => [name, value]),
    });
  }
}

/** The parts of a response that an HTTP server writes. */
export interface ResponseParts {
  readonly status: number;
  readonly fields: readonly HeaderField[];
  readonly text: string;
}

async function readParts(response: Response): Promise<ResponseParts> {
  const text = await response.text();
  return { status: response.status, fields: [...response.headers], text };
}
