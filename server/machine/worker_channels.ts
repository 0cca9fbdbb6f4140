/**
 * Gives worker threads their channels with nodes of other hosts, whose socket this thread owns.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { RemoteLink } from "../../mesh/adapters/deno/worker_threads.ts";
import type { OpenedChannel } from "../../mesh/adapters/tcp/host_links.ts";
import { relay } from "../../mesh/adapters/tcp/relay.ts";
import type { Node } from "../../mesh/runtime/node.ts";
import { present } from "../../structures/invariant.ts";

/** Gives worker threads links with nodes of other hosts. */
export interface LinksWorkers {
  readonly home: Node;
  linkWorker(remote: RemoteLink): void;
}

/** Relays a channel to the worker thread whose node has it. */
export function linkWorker(
  { node, peer, purpose, channel }: OpenedChannel,
  { mesh }: CairnConfiguration,
  { home, linkWorker }: LinksWorkers,
): void {
  const { frameBytesMax, windowBytes } = present(mesh, "a host belongs to a mesh");
  const { port1, port2 } = new MessageChannel();
  relay(channel, port1, home.clock);
  const limits = { frameBytesMax, windowBytes };
  linkWorker({ worker: node, peer, isBulk: purpose === "bulk", port: port2, limits });
}
