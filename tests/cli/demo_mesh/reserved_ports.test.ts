import assert from "node:assert/strict";
import { ReservedPorts } from "../../../cli/demo_mesh/reserved_ports.ts";

Deno.test("two programs have no port in common, although none listens on them", () => {
  const reserved = Array.from({ length: 3 }, () => ReservedPorts.take(16));
  const ports = reserved.flatMap((each) => each.ports);
  assert.equal(new Set(ports).size, 48);
  for (const each of reserved) each.release();
});

Deno.test("a port that another program listens on is not given", () => {
  const first = ReservedPorts.take(2);
  const [port] = first.ports;
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  first.release();
  const second = ReservedPorts.take(40);
  assert.ok(!second.ports.includes(port));
  assert.equal(new Set(second.ports).size, 40);
  second.release();
  listener.close();
});

Deno.test("more ports than a block has are refused with the remedy", () => {
  assert.throws(() => ReservedPorts.take(64), /No 64 ports in a row of 64 are free .*end other/);
});
