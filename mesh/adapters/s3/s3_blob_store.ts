/**
 * Blobs as objects of a bucket in any store that speaks Amazon's S3 protocol.
 *
 * Each object carries the SHA-256 of its bytes: the store compares it when it takes the object, and
 * a reader compares it again. Failed requests are made again, because each of them can be.
 */
import { setTimeout as pause } from "node:timers/promises";
import { AwsClient } from "aws4fetch";
import { BlobDamagedError, type BlobStore, BlobStoreError } from "../../ports/blob_store.ts";

/** Where the objects are. */
export interface S3Options {
  /** For example `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  /** Put before each name, for example `cairn/`; may be empty. */
  readonly prefix: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Token of temporary keys. */
  readonly sessionToken?: string | undefined;
  /** Whether the bucket is in an address's path or in the name of its host; default path. */
  readonly addressing?: "path" | "virtualHost";
  /** Time of one request, ms, besides a second for each MiB of its body; default 10 s. */
  readonly deadlineMs?: number;
}

/** The store of blobs refuses a request, or does not answer. */
export class S3Error extends BlobStoreError {
  override readonly name = "S3Error";
  /**
   * @param code Name of the error in the answer, for example `ExpiredToken`.
   */
  constructor(
    request: string,
    readonly status: number | undefined,
    reason: string,
    readonly code = "",
  ) {
    super(`Cannot ${request}: ${reason.trim().replace(/\.$/, "")}. ${remedyOf(status, code)}`);
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Attempts of one request. */
const TRIES = 4;
/** Pause before the second attempt, ms; it doubles. */
const RETRY_MS = 100;
/** Default of {@link S3Options.deadlineMs}. */
const DEADLINE_MS = 10_000;
/** Header of an object's SHA-256, in hexadecimal digits. */
const DIGEST = "x-amz-meta-sha256";

export class S3BlobStore implements BlobStore {
  readonly #options: S3Options;
  readonly #client: AwsClient;
  readonly #root: string;

  constructor(options: S3Options) {
    const { region, accessKeyId, secretAccessKey, sessionToken } = options;
    this.#options = options;
    this.#client = new AwsClient({
      accessKeyId,
      secretAccessKey,
      ...(sessionToken !== undefined && { sessionToken }),
      region,
      service: "s3",
      retries: 0,
    });
    this.#root = rootOf(options);
  }

  /** @throws {S3Error} */
  async put(name: string, bytes: Uint8Array): Promise<void> {
    // The caller may change its bytes while they are sent.
    const body = new Uint8Array(bytes);
    const digest = await sha256(body);
    const headers = { "x-amz-content-sha256": digest, [DIGEST]: digest };
    await this.#request(`write ${this.#keyOf(name)}`, this.#urlOf(name), {
      method: "PUT",
      headers,
      body,
    });
  }

  /**
   * @throws {BlobDamagedError}
   * @throws {S3Error}
   */
  async get(name: string): Promise<Uint8Array | undefined> {
    const url = this.#urlOf(name);
    const what = `read ${this.#keyOf(name)}`;
    const { status, headers, bytes } = await this.#request(what, url, { method: "GET" }, [404]);
    if (status === 404) return undefined;
    const digest = headers.get(DIGEST);
    if (digest !== null && digest !== await sha256(bytes)) {
      throw new BlobDamagedError(name, url, "its checksum does not match its bytes");
    }
    return bytes;
  }

  /** @throws {S3Error} */
  async list(prefix: string): Promise<string[]> {
    const names: string[] = [];
    const parameters = new URLSearchParams({
      "list-type": "2",
      "encoding-type": "url",
      prefix: this.#keyOf(prefix),
    });
    for (;;) {
      const url = `${this.#root}?${parameters}`;
      const { bytes } = await this.#request(`list ${this.#keyOf(prefix)}`, url, { method: "GET" });
      const page = new TextDecoder().decode(bytes);
      for (const [, key] of page.matchAll(/<Key>([^<]*)<\/Key>/g)) {
        names.push(decoded(key).slice(this.#options.prefix.length));
      }
      const next = /<NextContinuationToken>([^<]*)<\/NextContinuationToken>/.exec(page)?.[1];
      if (next === undefined) return names.sort();
      parameters.set("continuation-token", unescaped(next));
    }
  }

  /** @throws {S3Error} */
  async delete(name: string): Promise<void> {
    const init = { method: "DELETE" };
    await this.#request(`delete ${this.#keyOf(name)}`, this.#urlOf(name), init, [404]);
  }

  /** None: an object is put by one request, of which the store keeps nothing before its end. */
  listUnfinished(_prefix: string): Promise<string[]> {
    return Promise.resolve([]);
  }

  deleteUnfinished(_name: string): Promise<void> {
    return Promise.resolve();
  }

  #keyOf(name: string): string {
    return this.#options.prefix + name;
  }

  #urlOf(name: string): string {
    const key = this.#keyOf(name);
    if (name === "" || key.split("/").some((part) => part === "." || part === "..")) {
      throw new RangeError(`A blob cannot be named "${name}"`);
    }
    return `${this.#root}/${key.split("/").map(encodeURIComponent).join("/")}`;
  }

  /** Makes a request and reads its answer, again while the store is away, busy or cut off. */
  async #request(
    what: string,
    url: string,
    init: { method: string; headers?: Record<string, string>; body?: Uint8Array<ArrayBuffer> },
    allowed: readonly number[] = [],
  ): Promise<Answer> {
    const { bucket, endpoint, deadlineMs = DEADLINE_MS } = this.#options;
    const request = `${what} in the bucket ${bucket} at ${endpoint}`;
    const timeoutMs = deadlineMs + (init.body?.byteLength ?? 0) / 2 ** 20 * 1_000;
    let failure: S3Error | undefined;
    for (let tries = 0; tries < TRIES; tries++) {
      if (tries > 0) {
        await pause(RETRY_MS * 2 ** (tries - 1));
      }
      try {
        const signal = AbortSignal.timeout(timeoutMs);
        const response = await this.#client.fetch(url, { ...init, signal });
        const { ok, status, headers } = response;
        const bytes = new Uint8Array(await response.arrayBuffer());
        if (ok) return { status, headers, bytes };
        const answer = new TextDecoder().decode(bytes);
        const isOfBucket = status === 404 && answer.includes("NoSuchBucket");
        if (allowed.includes(status) && !isOfBucket) return { status, headers, bytes };
        const reason = `${status} ${textOf("Message", answer)}`;
        failure = new S3Error(request, status, reason, textOf("Code", answer));
        if (status < 500 && status !== 429) break;
      } catch (error) {
        failure = new S3Error(request, undefined, (error as Error).message);
      }
    }
    throw failure ?? new S3Error(request, undefined, "no attempt was made");
  }
}

/** The address of the bucket, without a slash at its end. */
function rootOf({ endpoint, bucket, addressing = "path" }: S3Options): string {
  const { protocol, host } = new URL(endpoint);
  return addressing === "path"
    ? `${protocol}//${host}/${bucket}`
    : `${protocol}//${bucket}.${host}`;
}

function remedyOf(status: number | undefined, code: string): string {
  if (code.endsWith("Token")) {
    return "Make new keys with a new token, give them as storage.s3.accessKeyId, " +
      "storage.s3.secretAccessKey and storage.s3.sessionToken, and restart.";
  }
  if (status === 401 || status === 403) {
    return "Check the keys of storage.s3, and that they may read, write, list and delete.";
  }
  if (status === 404) return "Create the bucket, or correct storage.s3.bucket.";
  return "Check storage.s3.endpoint, and that the store answers.";
}

/** The text of an element of XML; empty where it lacks. */
function textOf(element: "Code" | "Message", xml: string): string {
  return unescaped(new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1] ?? "");
}

/** A key of a list with `encoding-type=url`. */
function decoded(key: string): string {
  return decodeURIComponent(unescaped(key).replaceAll("+", " "));
}

const entities: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
  "&amp;": "&",
};

function unescaped(text: string): string {
  return text.replace(/&(?:lt|gt|quot|apos|amp);/g, (entity) => entities[entity]);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
