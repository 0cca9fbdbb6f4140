/**
 * Network addresses as text.
 */

/** A TCP address. */
export interface NetworkAddress {
  readonly hostname: string;
  readonly port: number;
}

/** `"10.0.0.7:7400"` or `"[::1]:7400"`; undefined = not an address with a port. */
export function parseAddress(text: string): NetworkAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text.trim());
  if (match === null) return undefined;
  const port = Number(match[3]);
  return port > 65_535 ? undefined : { hostname: match[1] ?? match[2], port };
}

export function formatAddress({ hostname, port }: NetworkAddress): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Whether only processes of the same machine reach it. */
export function isLoopback({ hostname }: NetworkAddress): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127\./.test(hostname);
}
