/**
 * A reference to an actor by its address. It resolves the address again whenever the node's
 * topology has changed, so that it stays valid when the actor is restarted or moved.
 */
import type { ActorRef, Address, AskOptions, Message } from "./actor.ts";
import type { ActorCell } from "./actor_cell.ts";
import type { CellContext } from "./actor_context.ts";
import { ActorFailedError } from "./errors.ts";
import type { Node } from "./node.ts";
import type { NodeLink } from "./node_link.ts";

export class NodeRef implements ActorRef<Message> {
  #target: ActorCell | NodeLink | undefined;
  #topology = -1;

  /** @param sender The actor that holds the reference; undefined outside the actors. */
  constructor(
    readonly node: Node,
    readonly address: Address,
    readonly sender: CellContext | undefined,
  ) {}

  tell(message: Message, transfer?: readonly Transferable[]): void {
    if (this.sender?.isCurrent === false) this.node.dropTold();
    else this.node.tell(this.#resolve(), this.address, message, transfer);
  }

  ask(request: Message, options: AskOptions): Promise<never> {
    if (this.sender?.isCurrent === false) {
      const reason = `${this.sender.address}, which asks, has been restarted or stopped`;
      return Promise.reject(new ActorFailedError(this.address, reason));
    }
    const answer = this.node.ask(this.#resolve(), this.address, request, options, this.sender);
    return answer as Promise<never>; // the protocol of the reference gives the type
  }

  #resolve(): ActorCell | NodeLink | undefined {
    if (this.#topology !== this.node.topology) {
      this.#topology = this.node.topology;
      this.#target = this.node.resolve(this.address);
    }
    return this.#target;
  }
}
