/**
 * The program that a simulated process runs: Cairn itself, or actors of one's own.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import { Mesh, placementOf, type PlannedActor } from "../../mesh/runtime/mesh.ts";
import type { AnyDefinition } from "../../mesh/runtime/node_actor.ts";
import { compose, type RunningMesh } from "../../server/compose.ts";
import {
  computingDefinitions,
  type ComputingResources,
} from "../../server/computing_definitions.ts";
import type { Environment } from "../../server/environment.ts";
import { homeNode } from "../../server/layout.ts";

/** A program that has started. */
export interface Composed {
  readonly mesh: Mesh;
  /** Cairn's parts; undefined for other programs. */
  readonly running?: RunningMesh;
  fetch?(request: Request): Response | Promise<Response>;
  /** Stops in order. */
  stop(): Promise<unknown>;
}

/** Starts in an environment, again after each restart. */
export interface Program {
  compose(environment: Environment, configuration: CairnConfiguration): Promise<Composed>;
  /** The actors that nodes besides the home node host. */
  definitions(resources: ComputingResources): readonly AnyDefinition[];
}

/** Cairn as in production. */
export const cairnProgram: Program = {
  async compose(environment, configuration) {
    const running = await compose(configuration, environment);
    return {
      mesh: running.mesh,
      running,
      fetch: (request) => running.fetch(request),
      stop: () => running.stop(),
    };
  },
  definitions: (resources) => computingDefinitions(resources),
};

/** One actor of a program of one's own. */
export interface OwnActor {
  readonly address: Address;
  /** Its thread; default `main`. */
  readonly node?: string;
  /** Plain data for the definition's `create`. */
  readonly options?: unknown;
}

/** Actors of one's own. */
export interface OwnActors {
  readonly definitions: readonly AnyDefinition[];
  /** In the order in which they start. */
  readonly actors: readonly OwnActor[];
}

/** Names of the threads of such a program, `main` first. */
export function nodesOfActors({ actors }: OwnActors): string[] {
  return [...new Set([homeNode, ...actors.map(({ node = homeNode }) => node)])];
}

/**
 * A program of these actors.
 *
 * @throws {TypeError} A definition lacks a part, or an actor has no definition. Each ask of such an
 * actor would fail, and a test that allows asks to fail would pass.
 */
export function actorProgram(own: OwnActors): Program {
  requireWhole(own);
  const plan = own.actors.map(({ address, node = homeNode, options }): PlannedActor => {
    const [kind, key] = address.split("/");
    return { kind, key, node, options };
  });
  const others = nodesOfActors(own).filter((name) => name !== homeNode);
  return {
    async compose({ home, observe, startNodes }) {
      const definitions = own.definitions.map((each) => observe?.(each) ?? each);
      const mesh = new Mesh({ home, composition: { definitions } });
      const nodes = others.map((name) => ({ name, background: false }));
      if (nodes.length > 0) await startNodes({ nodes, placement: placementOf(plan) });
      await mesh.start(plan);
      return { mesh, stop: () => mesh.stop() };
    },
    definitions: () => own.definitions,
  };
}

const definitionParts = ["mailbox", "restart", "priorityOf", "create"] as const;

function requireWhole({ definitions, actors }: OwnActors): void {
  for (const definition of definitions) {
    const missing = definitionParts.filter((part) => definition[part] === undefined);
    if (missing.length === 0) continue;
    throw new TypeError(`the definition of "${definition.kind}" lacks ${missing.join(", ")}`);
  }
  const kinds = definitions.map(({ kind }) => kind);
  for (const { address } of actors) {
    const [kind, key] = address.split("/");
    if (!key) throw new TypeError(`the address "${address}" is not kind/key`);
    if (kinds.includes(kind)) continue;
    throw new TypeError(`no definition is of kind "${kind}"; there are ${kinds.join(", ")}`);
  }
}
