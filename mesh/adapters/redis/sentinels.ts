/**
 * Finds the primary that sentinels watch. They are asked before each connection, since after a
 * failover the primary is another server.
 */
import { destroy, newClient, type RedisTls, within } from "./redis_client.ts";

/** The sentinels of a primary. */
export interface SentinelOptions {
  /** `host:port` of each. */
  readonly addresses: readonly string[];
  readonly password?: string;
}

/** No sentinel knows the primary. */
export class NoPrimaryError extends Error {
  override readonly name = "NoPrimaryError";
}

/**
 * The address of the primary, in the scheme and with the database of `url`, whose host is the name
 * of the primary. The sentinels are asked in order; the first one that knows it decides.
 *
 * @param deadlineMs Longest wait for each sentinel, ms.
 * @throws {NoPrimaryError} None of them does.
 */
export async function primaryUrl(
  url: string,
  { addresses, password }: SentinelOptions,
  { tls, deadlineMs }: { readonly tls: RedisTls | undefined; readonly deadlineMs: number },
): Promise<string> {
  const { protocol, hostname: name, pathname, username, password: own } = new URL(url);
  const reasons: string[] = [];
  for (const address of addresses) {
    const client = newClient({
      url: `${protocol}//${address}`,
      password,
      tls,
      connectMs: deadlineMs,
    });
    client.on("error", () => {});
    try {
      const found = await within(
        deadlineMs,
        (async () => {
          await client.connect();
          return await client.sendCommand(
            ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name],
            { typeMapping: {} },
          );
        })(),
      );
      if (Array.isArray(found)) {
        const [host, port] = found.map(String);
        const credentials = own === "" ? "" : `${username}:${own}@`;
        const authority = host.includes(":") ? `[${host}]` : host;
        return `${protocol}//${credentials}${authority}:${port}${pathname}`;
      }
      reasons.push(`${address} knows no primary "${name}"`);
    } catch (error) {
      reasons.push(`${address}: ${(error as Error).message}`);
    } finally {
      destroy(client);
    }
  }
  throw new NoPrimaryError(
    `no sentinel names the primary: ${reasons.join("; ")}. Correct storage.redis.sentinels, or ` +
      "the name of the primary in storage.redis.url",
  );
}
