/**
 * Ports for the programs that tests and benchmarks start. They are reserved for this test file as
 * long as it runs, so a port is still free when its program starts, and starts again.
 */
import { ReservedPorts } from "../cli/demo_mesh/reserved_ports.ts";

const PORTS = 63;
const reserved = ReservedPorts.take(PORTS);
let given = 0;

/** The same port comes again after all others of the file, when its program has ended. */
export function freePorts(count: number): number[] {
  return Array.from({ length: count }, () => reserved.ports[given++ % PORTS]);
}

export function freePort(): number {
  return freePorts(1)[0];
}
