/**
 * `PUT`, `PATCH`, `GET` and `DELETE /v1/items/{id}` and `/v1/users/{id}`: the stored attributes of
 * one item or user.
 */
import type { Attributes, Profile, ProfileKind } from "../../mesh/ports/profile_store.ts";
import { TurnsByKey } from "../../structures/turns_by_key.ts";
import { requireFeatures } from "../attributes/attribute_types.ts";
import { noteOnProfiles } from "../attributes/known_attributes.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import type { FailureLog } from "../failure_log.ts";
import { withinDeadline } from "../middleware/deadline.ts";
import { readQuery } from "../parsing/query.ts";
import { BodyReader } from "../parsing/request_body.ts";
import { validate } from "../parsing/validation.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import { deleteUserQuerySchema, erasureSchema, noQuerySchema } from "../schemas/erasures.ts";
import {
  profilePatchSchema,
  profilePathSchema,
  profileRequestSchema,
  profileSchema,
  storedProfileSchema,
} from "../schemas/profiles.ts";
import { eraseUser } from "./erasures.ts";
import { profileAnswer } from "./profile_answer.ts";
import { profileListEndpoint } from "./profile_list.ts";
import { profilePageEndpoints } from "./profile_pages.ts";
import { TextResponse } from "../text_response.ts";

/** Tries of a patch, each after another write of the same profile came first. */
const PATCH_TRIES_MAX = 16;

export function profileEndpoints(parts: GatewayParts, failures: FailureLog): Endpoint[] {
  return (["item", "user"] as const).flatMap((kind) => [
    profileListEndpoint(kind, parts, failures),
    ...profilePageEndpoints(kind, parts),
    ...endpointsOf(kind, parts),
  ]);
}

function endpointsOf(kind: ProfileKind, parts: GatewayParts): Endpoint[] {
  const { clock, options, profiles } = parts;
  const body = new BodyReader(clock, options);
  const known = parts.attributes?.[kind];
  const Kind = kind === "item" ? "Item" : "User";
  // Patches of this gateway do not overtake one another; those of other gateways may.
  const patches = new TurnsByKey();

  async function put(context: GatewayContext): Promise<Response> {
    const id = idOf(context);
    const { attributes } = await body.read(context, profileRequestSchema);
    requireFeatures(parts, kind, attributes);
    const profile = await withinDeadline(
      context,
      clock,
      profiles.put(kind, id, attributes),
      `The profile store did not confirm ${kind} "${id}" in time, so whether it was written is unknown. ` +
        "Send it again: the last write counts.",
    );
    return stored(profile, attributes, profile.version === 1 ? 201 : 200);
  }

  async function patch(context: GatewayContext): Promise<Response> {
    const id = idOf(context);
    const { attributes: changes } = await body.read(context, profilePatchSchema);
    const profile = await withinDeadline(
      context,
      clock,
      patches.run(id, () => patched(id, changes)),
      `The profile store did not confirm ${kind} "${id}" in time, so whether it was changed is unknown. ` +
        "Send the patch again: it has the same effect twice.",
    );
    return stored(profile, changes, 200);
  }

  /** Applies changes to the profile as it is at the moment of the write. */
  async function patched(id: string, changes: Attributes): Promise<Profile> {
    for (let tries = 0; tries < PATCH_TRIES_MAX; tries++) {
      const before = await read(id);
      const attributes = mergePatch(before.attributes, changes);
      validate(profileRequestSchema, { attributes });
      requireFeatures(parts, kind, attributes);
      const after = await profiles.replace(kind, before, attributes);
      if (after !== undefined) return after;
    }
    throw new ProblemError(
      "unavailable",
      `Other writes of ${kind} "${id}" came first ${PATCH_TRIES_MAX} times. Nothing was changed.`,
    );
  }

  /** The answer to a write; its note is about the attributes that the client sent. */
  function stored(profile: Profile, sent: Attributes, status: number): Response {
    const note = known && noteOnProfiles([sent], known);
    return TextResponse.json(
      { ...profileAnswer(profile), ...(note !== undefined && { note }) },
      status,
    );
  }

  async function get(context: GatewayContext): Promise<Response> {
    return TextResponse.json(profileAnswer(await read(idOf(context))));
  }

  /** @throws {ProblemError} `unknown-item` or `unknown-user`. */
  async function read(id: string): Promise<Profile> {
    if (!profiles.isLocal) await profiles.load(kind, [id]);
    const profile = profiles.get(kind, id);
    if (profile !== undefined) return profile;
    throw new ProblemError(
      `unknown-${kind}`,
      `No attributes are stored for ${kind} "${id}". Store them with PUT /v1/${kind}s/{id}; ` +
        "rankings work without them.",
    );
  }

  async function remove(context: GatewayContext): Promise<Response> {
    const id = idOf(context);
    const { forget } = readQuery(context, kind === "user" ? deleteUserQuerySchema : noQuerySchema);
    if (forget === "true") return await eraseUser(parts, context, id);
    await withinDeadline(
      context,
      clock,
      profiles.delete(kind, id),
      `The profile store did not confirm in time, so whether ${kind} "${id}" was deleted is ` +
        "unknown. Send it again.",
    );
    return context.body(null, 204);
  }

  const shared = {
    path: `/v1/${kind}s/{id}`,
    tag: "Profiles",
    guarded: true,
    parameters: profilePathSchema,
  } as const;
  return [
    {
      ...shared,
      method: "put",
      operationId: `put${Kind}`,
      summary: `Store ${kind === "item" ? "an item's" : "a user's"} attributes`,
      description: "Replaces the attributes that were stored. The next ranking reads the new ones.",
      body: profileRequestSchema,
      ...(known && { example: { attributes: known } }),
      answers: {
        200: { description: "The attributes were replaced.", schema: storedProfileSchema },
        201: {
          description: "The attributes were stored for the first time.",
          schema: storedProfileSchema,
        },
      },
      problems: ["unavailable", "deadline-exceeded"],
      handle: put,
    },
    {
      ...shared,
      method: "patch",
      operationId: `patch${Kind}`,
      summary: `Change some of ${kind === "item" ? "an item's" : "a user's"} attributes`,
      description:
        "A JSON merge patch (RFC 7396): an attribute replaces the stored one, null removes it, and " +
        "the others stay. Patches that come at the same moment are all applied.",
      body: profilePatchSchema,
      ...(known && { example: { attributes: known } }),
      answers: {
        200: { description: "The profile after the change.", schema: storedProfileSchema },
      },
      problems: [`unknown-${kind}`, "unavailable", "deadline-exceeded"],
      handle: patch,
    },
    {
      ...shared,
      method: "get",
      operationId: `get${Kind}`,
      summary: `Read ${kind === "item" ? "an item's" : "a user's"} attributes`,
      answers: { 200: { description: "The stored attributes.", schema: profileSchema } },
      problems: [`unknown-${kind}`],
      handle: get,
    },
    {
      ...shared,
      method: "delete",
      operationId: `delete${Kind}`,
      summary: `Delete ${kind === "item" ? "an item's" : "a user's"} attributes`,
      description:
        "The next ranking no longer reads them. Deleting absent attributes is not an error.",
      ...(kind === "user" && {
        query: deleteUserQuerySchema,
        description:
          "The next ranking no longer reads them. Deleting absent attributes is not an " +
          "error. With `forget=true` the user is erased: kept features, open rankings and learned " +
          "rows go too, on every shard and replica, and the answer is a receipt. Each request " +
          "gets a receipt of its own, also while an earlier erasure of the user is unfinished.",
      }),
      answers: {
        204: { description: "No attributes are stored." },
        ...(kind === "user" && {
          202: { description: "The user is being erased.", schema: erasureSchema },
        }),
      },
      problems: [
        "unavailable",
        ...(kind === "user" ? ["log-full"] as const : []),
        "deadline-exceeded",
      ],
      handle: remove,
    },
  ];
}

/** The attributes after a JSON merge patch; values of attributes are not merged. */
function mergePatch(before: Attributes, changes: Attributes): Attributes {
  const kept = Object.entries(before).filter(([name]) => !Object.hasOwn(changes, name));
  const set = Object.entries(changes).filter(([, value]) => value !== null);
  return Object.fromEntries([...kept, ...set]);
}

/** The path's last part, decoded here because the router passes a wrong encoding on undecoded. */
function idOf(context: GatewayContext): string {
  const [path] = context.req.url.split(/[?#]/, 1);
  const encoded = path.slice(path.lastIndexOf("/") + 1);
  let id: string;
  try {
    id = decodeURIComponent(encoded);
  } catch {
    throw new ProblemError(
      "malformed-request",
      `Cannot read the id "${encoded}": it is not percent-encoded UTF-8. ` +
        "Encode it as encodeURIComponent does.",
    );
  }
  return validate(profilePathSchema, { id }).id;
}
