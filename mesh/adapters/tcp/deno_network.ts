/**
 * The machine's sockets.
 */
import type { Network, Socket } from "./network.ts";

export const denoNetwork: Network = {
  listen(address) {
    const listener = Deno.listen(address);
    return {
      port: listener.addr.port,
      accept: async () => socketOf(await listener.accept()),
      close: () => listener.close(),
    };
  },
  async connect(address, timeoutMs) {
    return socketOf(await Deno.connect({ ...address, signal: AbortSignal.timeout(timeoutMs) }));
  },
  nonce: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)).toHex(),
};

function socketOf(connection: Deno.TcpConn): Socket {
  connection.setNoDelay(true);
  const { hostname, port } = connection.remoteAddr;
  return {
    from: `${hostname}:${port}`,
    read: (bytes) => connection.read(bytes),
    write: (bytes) => connection.write(bytes),
    close: () => connection.close(),
  };
}
