/**
 * `PUT`, `PATCH`, `GET` and `DELETE /v1/items/{id}` and `/v1/users/{id}`: the stored attributes of
 * one item or user.
 */
import type { ProfileKind } from "../../mesh/ports/profile_store.ts";
import type { Endpoint } from "../endpoint.ts";
import type { FailureLog } from "../failure_log.ts";
import type { GatewayParts } from "../parts.ts";
import { deleteUserQuerySchema, erasureSchema } from "../schemas/erasures.ts";
import {
  profilePatchSchema,
  profilePathSchema,
  profileRequestSchema,
  profileSchema,
  storedProfileSchema,
} from "../schemas/profiles.ts";
import { profileListEndpoint } from "./profile_list.ts";
import { profilePageEndpoints } from "./profile_pages.ts";
import { ProfileRequests } from "./profile_requests.ts";

export function profileEndpoints(parts: GatewayParts, failures: FailureLog): Endpoint[] {
  return (["item", "user"] as const).flatMap((kind) => [
    profileListEndpoint(kind, parts, failures),
    ...profilePageEndpoints(kind, parts),
    ...endpointsOf(kind, parts),
  ]);
}

function endpointsOf(kind: ProfileKind, parts: GatewayParts): Endpoint[] {
  const known = parts.attributes?.[kind];
  const Kind = kind === "item" ? "Item" : "User";
  const requests = new ProfileRequests(kind, parts);
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
      handle: (context) => requests.put(context),
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
      handle: (context) => requests.patch(context),
    },
    {
      ...shared,
      method: "get",
      operationId: `get${Kind}`,
      summary: `Read ${kind === "item" ? "an item's" : "a user's"} attributes`,
      answers: { 200: { description: "The stored attributes.", schema: profileSchema } },
      problems: [`unknown-${kind}`, "unavailable", "deadline-exceeded"],
      handle: (context) => requests.get(context),
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
      handle: (context) => requests.remove(context),
    },
  ];
}
