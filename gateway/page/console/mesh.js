/** The tables of hosts, shards, actors, snapshots and examples put aside. */
import { cell, element, fillTable, find } from "./elements.js";
import { formatBytes, formatMs, formats, formatTime, short, whole } from "./format.js";

/** Names of the only process. */
const THIS_PROCESS = "this process";

const row = (...cells) => element("tr", {}, ...cells);
const optional = (value, format) => value === undefined ? "–" : format(value);

export function showMesh({ leases, change, notReading, hosts, shards, atMs }) {
  find("#leases").textContent = leasesText(leases);
  const waiting = [...(change === undefined ? [] : [change]), ...notReading];
  find("#changing").hidden = waiting.length === 0;
  find("#changing").replaceChildren(...waiting.map((text) => element("li", {}, text)));
  fillTable(
    "#hosts",
    hosts.map((host) =>
      row(
        cell(host.host || THIS_PROCESS, "id"),
        stateCell(host, atMs),
        cell(host.roles.join(", ")),
        cell(leaseText(host)),
        cell(whole.format(host.shards)),
        cell(readersText(host)),
        cell(optional(host.residentBytes, formatBytes)),
        cell(optional(host.cores, short.format)),
        cell(optional(host.restarts, whole.format), host.restarts > 0 ? "bad" : ""),
        cell(optional(host.startedAtMs, formatTime)),
      )
    ),
    "No hosts.",
  );
  fillTable(
    "#shards",
    shards.map((shard) =>
      row(
        cell(shard.shard),
        cell(shard.host === undefined ? "none" : shard.host || THIS_PROCESS, "id"),
        placementCell(shard),
        cell(optional(shard.epoch, whole.format)),
        cell(whole.format(shard.rows)),
        cell(whole.format(shard.rowsServed)),
        cell(formatBytes(shard.bytes)),
        cell(shard.bytesMax > 0 ? formats.share(shard.bytes / shard.bytesMax) : "–"),
        cell(formats["per second"](shard.evictedPerSecond)),
        cell(whole.format(shard.waiting)),
      )
    ),
    "No shard has reported yet.",
  );
}

function leasesText(leases) {
  switch (leases.kind) {
    case "oneProcess":
      return "One process: it needs no leases, and its shards stay where they are.";
    case "fixed":
      return "The hosts have no common store: there are no leases, and each host keeps its shards.";
    case "unavailable":
      return `The coordination store does not answer: ${leases.reason}`;
    default: {
      const { version, generation, controller } = leases;
      const holder = controller === undefined
        ? "no host is the controller"
        : `${controller.host} is the controller in epoch ${controller.epoch}, ` +
          `its lease ends in ${formatMs(controller.leaseMs)}`;
      return `Placement version ${version}, generation ${generation}; ${holder}.`;
    }
  }
}

function leaseText({ leaseMs, isController }) {
  if (leaseMs === undefined) return "–";
  return `${leaseMs === 0 ? "ended" : formatMs(leaseMs)}${isController ? ", controller" : ""}`;
}

/** For example `joiner 0, trainer 1`. */
function readersText({ joiners = [], trainers = [] }) {
  const names = [
    ...joiners.map((number) => `joiner ${number}`),
    ...trainers.map((number) => `trainer ${number}`),
  ];
  return names.join(", ") || "–";
}

function stateCell({ state, reason, answeredAtMs }) {
  const isBad = state === "lost";
  const made = cell(state, isBad ? "bad" : "");
  const notes = [
    ...(reason === undefined ? [] : [reason]),
    ...(isBad && answeredAtMs !== undefined ? [`last answer ${formatTime(answeredAtMs)}`] : []),
  ];
  if (notes.length > 0) made.append(element("small", { className: "quiet" }, notes.join("; ")));
  return made;
}

function placementCell({ state, move }) {
  if (move !== undefined) return cell(`moving to ${move.to} (${move.phase})`, "moving");
  return cell(state, state === "unassigned" || state === "restoring" ? "bad" : "");
}

export function showParts({ actors, joiner }) {
  fillTable(
    "#actors",
    actors.map((actor) =>
      row(
        cell(actor.actor, "id"),
        cell(whole.format(actor.messagesWaiting)),
        cell(short.format(actor.messagesPerSecond)),
        cell(whole.format(actor.restarts), actor.restarts > 0 ? "bad" : ""),
        cell(whole.format(actor.failures), actor.failures > 0 ? "bad" : ""),
      )
    ),
    "No actors.",
  );
  fillTable(
    "#joiner",
    joiner.map(({ outcome, count, perSecond }) =>
      row(
        cell(outcome, "id"),
        cell(formats["per second"](perSecond)),
        cell(whole.format(count)),
      )
    ),
    "The joiner has read nothing yet.",
  );
}

export function showStores({ snapshots, putAside, putAsideCount, failures }) {
  fillTable(
    "#snapshots",
    snapshots.map((snapshot) =>
      row(
        cell(snapshot.name + (snapshot.isPinned ? " (pinned)" : ""), "id"),
        cell(new Date(snapshot.atMs).toLocaleString()),
        cell(whole.format(snapshot.rowsLearned)),
        cell(formatBytes(snapshot.bytes)),
        cell(whole.format(snapshot.partitions)),
        cell(whole.format(snapshot.shards)),
      )
    ),
    failures.length > 0 ? failures.join(" ") : "No snapshot yet.",
  );
  find("#putAsideCount").textContent = putAsideCount === 0
    ? "Every example was learned."
    : `${whole.format(putAsideCount)} examples were put aside; the newest are listed.`;
  fillTable(
    "#putAside",
    putAside.map(({ atMs, trainer, rows, reason }) =>
      row(
        cell(new Date(atMs).toLocaleString()),
        cell(trainer, "id"),
        cell(rows),
        cell(reason),
      )
    ),
    "None.",
  );
}
