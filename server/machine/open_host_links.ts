/**
 * Links the nodes of a host with the nodes of the other hosts of its mesh.
 */
import type { CairnConfiguration, HostOptions } from "../../configuration/configuration.ts";
import type { RemoteLink } from "../../mesh/adapters/deno/worker_threads.ts";
import { ChannelLink } from "../../mesh/adapters/tcp/channel_link.ts";
import { HostLinks, type OpenedChannel } from "../../mesh/adapters/tcp/host_links.ts";
import { PROTOCOLS } from "../../mesh/adapters/tcp/host_identity.ts";
import { relay } from "../../mesh/adapters/tcp/relay.ts";
import type { Node } from "../../mesh/runtime/node.ts";
import { NodeLink } from "../../mesh/runtime/node_link.ts";
import { present } from "../../structures/invariant.ts";
import type { NodesRequest } from "../environment.ts";
import { configurationDigests } from "./configuration_digests.ts";

/** Gives worker threads links with nodes of other hosts. */
export interface LinksWorkers {
  linkWorker(remote: RemoteLink): void;
}

export interface HostToLink extends Pick<NodesRequest, "nodes"> {
  readonly configuration: CairnConfiguration;
  readonly host: HostOptions;
  /** The node of this thread. */
  readonly home: Node;
}

/**
 * Listens and connects; links come and go afterwards.
 *
 * @throws {Error} The host's address cannot be listened on.
 */
export function openHostLinks(
  { configuration, host, home, nodes }: HostToLink,
  { linkWorker }: LinksWorkers,
): HostLinks {
  const mesh = present(configuration.mesh, "a host belongs to a mesh");
  const { clock, random, telemetry } = home;
  const { id, secrets, hosts, heartbeatMs, silenceMs, frameBytesMax, windowBytes } = mesh;
  const onChannel = ({ node, peer, purpose, channel }: OpenedChannel) => {
    const isBulk = purpose === "bulk";
    if (node === home.name) {
      new NodeLink(home, peer, new ChannelLink(channel, frameBytesMax), { isBulk });
      return;
    }
    const { port1, port2 } = new MessageChannel();
    relay(channel, port1, clock);
    const limits = { frameBytesMax, windowBytes };
    linkWorker({ worker: node, peer, isBulk, port: port2, limits });
  };
  return HostLinks.open({
    own: {
      mesh: id,
      host: host.name,
      incarnation: random.uuid("host/incarnation"),
      protocols: PROTOCOLS,
      configuration: configurationDigests(configuration),
      nodes: [home.name, ...nodes.map(({ name }) => name)],
    },
    address: host.listen,
    peers: new Map(
      hosts.filter(({ name }) => name !== host.name).map(({ name, address }) => [name, address]),
    ),
    secrets,
    limits: { heartbeatMs, silenceMs, frameBytesMax, windowBytes },
    clock,
    random: random.stream("host/backoff"),
    telemetry,
    onChannel,
  });
}
