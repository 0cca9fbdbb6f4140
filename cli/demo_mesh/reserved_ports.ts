/**
 * Reserves ports of this machine, so that another program that reserves its ports here gets others,
 * also while nothing listens on them.
 *
 * The ports are of a block whose first port this process listens on until the end: a second program
 * cannot, and takes the next block. The blocks lie below the range from which Linux chooses ports
 * for outgoing connections (ip_local_port_range, 32768 and above).
 */

const FIRST_PORT = 20_000;
const END_PORT = 32_000;
const BLOCK_PORTS = 64;
const hostname = "127.0.0.1";

export class ReservedPorts {
  /** Ports that nothing listened on when they were reserved. */
  readonly ports: readonly number[];
  readonly #guard: Deno.Listener;

  private constructor(ports: readonly number[], guard: Deno.Listener) {
    this.ports = ports;
    this.#guard = guard;
  }

  /**
   * @param count At most 63.
   * @throws {Error} Every block is in use.
   */
  static take(count: number): ReservedPorts {
    for (let first = FIRST_PORT; first < END_PORT; first += BLOCK_PORTS) {
      const guard = listen(first);
      if (guard === undefined) continue;
      const ports = Array.from({ length: BLOCK_PORTS - 1 }, (_, i) => first + 1 + i)
        .filter(isFree);
      if (ports.length >= count) return new ReservedPorts(ports.slice(0, count), guard);
      guard.close();
    }
    throw new Error(
      `No ${count} ports in a row of ${BLOCK_PORTS} are free between ${FIRST_PORT} and ` +
        `${END_PORT}: end other demos or servers.`,
    );
  }

  /** Lets others have the ports. */
  release(): void {
    this.#guard.close();
  }
}

function isFree(port: number): boolean {
  const listener = listen(port);
  listener?.close();
  return listener !== undefined;
}

/** Undefined where another program listens on the port. */
function listen(port: number): Deno.Listener | undefined {
  try {
    return Deno.listen({ hostname, port });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return undefined;
    throw error;
  }
}
