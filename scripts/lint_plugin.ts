/**
 * Lint rules of this project, loaded by deno.json.
 *
 * - Determinism ({@link bans}): code that reads the machine's clock, draws its own randomness,
 *   starts timers or touches the host cannot be replayed by the simulation, so a failing seed would
 *   reproduce nothing. Such code belongs behind a port of the mesh. Only the rooms in {@link
 *   exemptRooms} may reach the machine directly.
 * - Prose ({@link proseRules}): comments in plain English, at most 100 columns wide.
 * - `no-shared-state`: all test files are workers of one process, so a test that changes the
 *   environment, the working directory or the umask changes those of the tests beside it.
 * - `no-non-null-assertion`: production code states a promise with `invariant` or `present` instead
 *   of `!`.
 *
 * One line can be exempted with `// deno-lint-ignore cairn/<rule> -- why`.
 */
import { type CommentLine, withoutMarkers } from "./comments.ts";
import { type ProseRule, proseRules } from "./prose_rules.ts";

const root = new URL("../", import.meta.url).pathname;

/** Rooms that may reach the machine; all others get time, randomness and the host through ports. */
export const exemptRooms: readonly string[] = [
  "mesh/adapters/",
  "clients/",
  "main.ts",
  "server/machine/",
  "offline/",
  "cli/",
  "scripts/",
  "tests/",
];

/** Rooms that may use non-null assertions. */
const roomsWithAssertions: readonly string[] = ["tests/"];

interface Ban {
  /** Dotted value, or a bare global; `new Date()` and `Date()` are told apart in the visitor. */
  readonly names: readonly string[];
  readonly instead: string;
}

/** The bans by rule name. A name that ends in `.*` bans every member and the bare value. */
export const bans: Readonly<Record<string, Ban>> = {
  "no-ambient-clock": {
    names: ["Date.now", "performance.*", "Temporal.Now"],
    instead: "read the time from the Clock port (mesh/ports/clock.ts)",
  },
  "no-ambient-randomness": {
    names: ["Math.random", "crypto.randomUUID", "crypto.getRandomValues"],
    instead: "draw from the Random port (mesh/ports/random.ts)",
  },
  "no-ambient-timers": {
    names: ["setTimeout", "setInterval", "setImmediate", "AbortSignal.timeout"],
    instead: "schedule through the Clock port or the actor's context",
  },
  "no-host-access": {
    names: ["Deno.*", "process.*", "fetch", "Worker", "WebSocket", "BroadcastChannel"],
    instead: "reach the host through a port of mesh/ports/, implemented in mesh/adapters/",
  },
};

/** Changes of state that all test files share. */
const sharedState: Ban = {
  names: [
    ...["Deno.env.set", "Deno.env.delete", "Deno.chdir", "Deno.umask"],
    ...["process.env", "process.chdir", "process.umask"],
  ],
  instead: "pass the value to the code under test, or to a process that the test starts",
};

/** Rooms of `tests/` whose programs have a process of their own. */
const ownProcesses: readonly string[] = ["tests/bench/", "tests/soak/"];

/** Node's built-in modules that touch nothing outside the process. */
const pureNodeModules: readonly string[] = [
  "node:assert",
  "node:assert/strict",
  "node:buffer",
  "node:events",
  "node:util",
];

const globalObjects = new Set(["globalThis", "self", "window"]);

/** A node of the linter's tree, as far as this plugin looks at it. */
// deno-lint-ignore no-explicit-any -- the linter's own node types have no common shape to walk
type AnyNode = any;

/**
 * `a.b.c` or `a["b"].c` as a dotted path without a leading `globalThis.`; undefined for anything
 * computed.
 */
function dottedPath(node: AnyNode): string | undefined {
  if (node.type === "Identifier") return node.name;
  if (node.type === "ChainExpression") return dottedPath(node.expression);
  if (node.type !== "MemberExpression") return undefined;
  const object = dottedPath(node.object);
  if (object === undefined) return undefined;
  const property = node.computed
    ? (typeof node.property.value === "string" ? node.property.value : undefined)
    : node.property.name;
  if (property === undefined) return undefined;
  return globalObjects.has(object) ? property : `${object}.${property}`;
}

/**
 * Whether an identifier stands for a value of the program: not a key, a declared name or a type.
 */
function isValueReference(node: AnyNode): boolean {
  const parent = node.parent;
  switch (parent?.type) {
    case "MemberExpression":
      return parent.object === node || parent.computed;
    case "Property":
      return parent.value === node || parent.computed;
    case "MethodDefinition":
    case "PropertyDefinition":
    case "AccessorProperty":
      return parent.computed || parent.value === node;
    case "ImportSpecifier":
    case "ImportDefaultSpecifier":
    case "ImportNamespaceSpecifier":
    case "ExportSpecifier":
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
      return false;
    default:
      return !(parent?.type?.startsWith("TS") && !valueWrappers.has(parent.type));
  }
}

const valueWrappers = new Set([
  "TSAsExpression",
  "TSSatisfiesExpression",
  "TSNonNullExpression",
  "TSTypeAssertion",
]);

/** The ban that covers `path`, by the table. */
function isBanned(ban: Ban, path: string): boolean {
  return ban.names.some((name) =>
    name.endsWith(".*")
      ? path === name.slice(0, -2) || path.startsWith(name.slice(0, -1))
      : path === name
  );
}

/** Whether destructuring takes a banned member out of `owner`: `const { now } = Date`. */
function isOwnerOfBanned(ban: Ban, owner: string, member: string): boolean {
  const path = globalObjects.has(owner) ? member : `${owner}.${member}`;
  return isBanned(ban, path);
}

/** Whether the file lies in one of the rooms: a folder that ends in a slash, or one file. */
function isIn(rooms: readonly string[], filename: string): boolean {
  const path = filename.startsWith(root) ? filename.slice(root.length) : filename;
  return rooms.some((room) => room.endsWith("/") ? path.startsWith(room) : path === room);
}

function ambientRule(ruleName: string, ban: Ban): Deno.lint.Rule {
  return {
    create(context) {
      if (isIn(exemptRooms, context.filename)) return {};
      const report = (node: AnyNode, banned: string) =>
        context.report({
          node,
          message: `${banned} makes this code unrepeatable: ${ban.instead}.`,
          hint: `Allowed only in ${exemptRooms.join(", ")}.`,
        });
      const clock = ruleName === "no-ambient-clock";
      return {
        MemberExpression(node: AnyNode) {
          const path = dottedPath(node);
          if (path === undefined || !isBanned(ban, path)) return;
          // `Deno.env.get` is one finding, at its innermost banned member.
          const inner = dottedPath(node.object);
          if (inner !== undefined && inner !== path && isBanned(ban, inner)) return;
          report(node, path);
        },
        Identifier(node: AnyNode) {
          if (!isBanned(ban, node.name) || !isValueReference(node)) return;
          report(node, node.name);
        },
        NewExpression(node: AnyNode) {
          if (clock && dottedPath(node.callee) === "Date" && node.arguments.length === 0) {
            report(node, "new Date()");
          }
        },
        CallExpression(node: AnyNode) {
          if (clock && dottedPath(node.callee) === "Date") report(node, "Date()");
        },
        VariableDeclarator(node: AnyNode) {
          if (node.id.type !== "ObjectPattern" || node.init === null) return;
          const owner = dottedPath(node.init);
          if (owner === undefined) return;
          for (const property of node.id.properties) {
            const member = property.key?.name;
            if (member !== undefined && isOwnerOfBanned(ban, owner, member)) {
              report(property, `${owner}.${member}`);
            }
          }
        },
        ImportDeclaration(node: AnyNode) {
          if (ruleName !== "no-host-access" || node.importKind === "type") return;
          const module: string = node.source.value;
          if (module.startsWith("node:") && !pureNodeModules.includes(module)) {
            report(node, `"${module}"`);
          }
        },
      };
    },
  };
}

/** Each line of each comment, with its range in the source. */
function* commentLines(
  { text, getAllComments }: { text: string; getAllComments(): AnyNode[] },
): Generator<CommentLine & { range: [number, number] }> {
  for (const { range: [start, end] } of getAllComments()) {
    for (let from = start; from < end;) {
      const lineEnd = text.indexOf("\n", from) < 0 ? text.length : text.indexOf("\n", from);
      const to = Math.min(end, lineEnd);
      yield {
        line: 0,
        text: withoutMarkers(text.slice(from, to)),
        columns: lineEnd - text.lastIndexOf("\n", from - 1) - 1,
        range: [from, to],
      };
      from = to + 1;
    }
  }
}

function proseRule({ find, instead }: ProseRule): Deno.lint.Rule {
  return {
    create(context) {
      return {
        Program() {
          const { text } = context.sourceCode;
          const getAllComments = () => context.sourceCode.getAllComments();
          for (const line of commentLines({ text, getAllComments })) {
            const found = find(line);
            if (found === undefined) continue;
            context.report({ range: line.range, message: `${found} in a comment: ${instead}.` });
          }
        },
      };
    },
  };
}

const noSharedState: Deno.lint.Rule = {
  create(context) {
    const { filename } = context;
    if (!isIn(["tests/"], filename) || isIn(ownProcesses, filename)) return {};
    return {
      MemberExpression(node: AnyNode) {
        const path = dottedPath(node);
        if (path === undefined || !isBanned(sharedState, path)) return;
        const message = `${path} changes what all test files share: ${sharedState.instead}.`;
        context.report({ node, message });
      },
    };
  },
};

const noNonNullAssertion: Deno.lint.Rule = {
  create(context) {
    if (isIn(roomsWithAssertions, context.filename)) return {};
    return {
      TSNonNullExpression(node: AnyNode) {
        context.report({
          node,
          message: "A non-null assertion fails later and elsewhere when it is wrong: " +
            'write present(value, "the promise") from structures/invariant.ts.',
        });
      },
    };
  },
};

/** The plugin that deno.json's lint section loads. */
const plugin: Deno.lint.Plugin = {
  name: "cairn",
  rules: {
    ...Object.fromEntries(
      Object.entries(bans).map(([name, ban]) => [name, ambientRule(name, ban)]),
    ),
    ...Object.fromEntries(proseRules.map((rule) => [rule.name, proseRule(rule)])),
    "no-shared-state": noSharedState,
    "no-non-null-assertion": noNonNullAssertion,
  },
};

export default plugin;
