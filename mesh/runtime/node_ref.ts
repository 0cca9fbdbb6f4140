/**
 * A reference to an actor by its address: finds it anew whenever the node's topology has changed, so that it outlives
 * restarts and, later, moves.
 */
import type { ActorRef, Address, AskOptions, Message } from "./actor.ts";
import type { ActorCell } from "./actor_cell.ts";
import type { Node } from "./node.ts";
import type { NodeLink } from "./node_link.ts";

export class NodeRef implements ActorRef<Message> {
  #target: ActorCell | NodeLink | undefined;
  #topology = -1;

  /** @param sender The actor that holds it; undefined outside the actors. */
  constructor(
    readonly node: Node,
    readonly address: Address,
    readonly sender: ActorCell | undefined,
  ) {}

  tell(message: Message, transfer?: readonly Transferable[]): void {
    this.node.tell(this.#resolve(), this.address, message, transfer);
  }

  ask(request: Message, options: AskOptions): Promise<never> {
    const answer = this.node.ask(this.#resolve(), this.address, request, options, this.sender);
    return answer as Promise<never>; // typed by the door through which the reference was made
  }

  #resolve(): ActorCell | NodeLink | undefined {
    if (this.#topology !== this.node.topology) {
      this.#topology = this.node.topology;
      this.#target = this.node.resolve(this.address);
    }
    return this.#target;
  }
}
