/**
 * One kept-alive HTTP/1.1 connection that sends prepared bytes and reads one answer. It does as
 * little work as possible, because the client shares the machine with the server that it measures.
 */
const decoder = new TextDecoder();

export class HttpConnection {
  readonly #socket: Deno.TcpConn;
  readonly #buffer = new Uint8Array(64 * 1024);

  private constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  static async open(hostname: string, port: number): Promise<HttpConnection> {
    const socket = await Deno.connect({ hostname, port });
    socket.setNoDelay(true);
    return new HttpConnection(socket);
  }

  /**
   * Sends one request and reads its answer; `body` is valid until the next call.
   *
   * @throws {Error} When the connection ends or the answer has no content-length.
   */
  async exchange(request: Uint8Array): Promise<{ status: number; body: Uint8Array }> {
    for (let sent = 0; sent < request.length;) {
      sent += await this.#socket.write(request.subarray(sent));
    }
    let length = 0, bodyAt = -1, total = Infinity, status = 0;
    while (length < total) {
      const read = await this.#socket.read(this.#buffer.subarray(length));
      if (read === null) throw new Error("The server closed the connection");
      length += read;
      if (bodyAt >= 0) continue;
      const head = decoder.decode(this.#buffer.subarray(0, Math.min(length, 4096)));
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) continue;
      const contentLength = /content-length: (\d+)/i.exec(head)?.[1];
      if (contentLength === undefined) throw new Error(`The answer has no length: ${head}`);
      status = Number(head.slice(9, 12));
      bodyAt = end + 4;
      total = bodyAt + Number(contentLength);
    }
    return { status, body: this.#buffer.subarray(bodyAt, total) };
  }

  close(): void {
    this.#socket.close();
  }
}

/** The bytes of a POST of JSON. */
export function postBytes(host: string, path: string, body: unknown): Uint8Array {
  const encoded = new TextEncoder().encode(JSON.stringify(body));
  const head = new TextEncoder().encode(
    `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n` +
      `content-length: ${encoded.length}\r\n\r\n`,
  );
  const bytes = new Uint8Array(head.length + encoded.length);
  bytes.set(head);
  bytes.set(encoded, head.length);
  return bytes;
}
