/**
 * Ports of this machine that no program listens on now.
 */

/**
 * Distinct ports that the kernel chooses. Ask once for all ports of a mesh: a later call may return
 * a port of an earlier one, as nothing listens on it yet.
 */
export function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  return listeners.map((listener) => {
    const { port } = listener.addr;
    listener.close();
    return port;
  });
}
