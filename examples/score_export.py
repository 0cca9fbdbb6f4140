#!/usr/bin/env python3
"""Scores rank requests with a folder that `cairn model export <folder> --tables` wrote.

    score_export.py FOLDER < requests.jsonl

Each line is a body of POST /v1/rank; its answer is a line with the scores of all candidates, in their
order, one per task. Nothing is kept here: what a server knows of a user, an item or the past comes
in `userFields`, `context` and the candidates' `fields`. `timestamp` is the time of the request.

Needs NumPy, and onnxruntime or onnx. The ids and the pooling are those of Cairn's kernel.
"""
import json
import math
import struct
import sys
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import islice, product

import numpy as np

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                      0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)


def xxh64(data):
    """XXH64 with seed 0 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md)."""
    def rotate(x, by):
        return (x << by | x >> (64 - by)) & MASK

    def mix(lane, word):
        return rotate((lane + word * P2) & MASK, 31) * P1 & MASK

    at = 0
    if len(data) >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= len(data):
            lanes = [mix(lane, word) for lane, word in zip(lanes, struct.unpack_from("<4Q", data, at))]
            at += 32
        h = sum(rotate(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            h = ((h ^ mix(0, lane)) * P1 + P4) & MASK
    else:
        h = P5
    h = (h + len(data)) & MASK
    while at + 8 <= len(data):
        h = (rotate(h ^ mix(0, struct.unpack_from("<Q", data, at)[0]), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= len(data):
        h = (rotate(h ^ struct.unpack_from("<I", data, at)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ byte * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


def feature_id(slot, data):
    return slot["number"] << 48 | xxh64(data) & ((1 << 48) - 1)


def text_of(value):
    """A categorical value as the text that is hashed: JavaScript's String(value)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + exponent
    if 0 < point <= 21:
        text = text.ljust(point, "0")
        text = text[:point] + ("." + text[point:] if len(text) > point else "")
    elif -6 < point <= 0:
        text = "0." + "0" * -point + text
    else:
        text = text[0] + ("." + text[1:] if len(text) > 1 else "")
        text += f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return "-" + text if sign else text


def bucket_of(value, buckets):
    if buckets["kind"] == "linear":
        return math.floor(value / buckets["width"])
    steps = math.floor(buckets["perDoubling"] * math.log2(1 + abs(value) / buckets["unit"]))
    return -steps if value < 0 else steps


def scaled(value, scaling):
    kind = scaling["kind"]
    if kind == "log":
        return math.copysign(math.log1p(abs(value)), value)
    if kind == "range":
        share = (value - scaling["low"]) / (scaling["high"] - scaling["low"])
        return min(1.0, max(0.0, share))
    if kind == "standard":
        value = (value - scaling["mean"]) / scaling["stddev"]
    return min(scaling["clip"], max(-scaling["clip"], value))


def time_part(timestamp, slot):
    if isinstance(timestamp, str):
        moment = datetime.fromisoformat(timestamp.replace("Z", "+00:00")).astimezone(timezone.utc)
    else:
        moment = datetime.fromtimestamp(timestamp / 1000, timezone.utc)
    moment += timedelta(minutes=slot["utcOffsetMinutes"])
    day = (moment.weekday() + 1) % 7  # 0 = Sunday
    return {"hourOfDay": moment.hour, "dayOfWeek": day, "hourOfWeek": 24 * day + moment.hour}[slot["part"]]


class Export:
    """An exported model."""

    def __init__(self, folder):
        with open(f"{folder}/model.json", encoding="utf-8") as file:
            self.model = json.load(file)
        if self.model["format"] != 1:
            raise SystemExit(f"{folder} has format {self.model['format']}, and this script reads 1.")
        self.slots = {slot["name"]: slot for slot in self.model["slots"]}
        self.tables = []
        for each in self.model["classes"]:
            ids = np.load(f"{folder}/{each['ids']}")
            index = {int(id): row for row, id in enumerate(ids)}
            self.tables.append((index, np.load(f"{folder}/{each['rows']}", mmap_mode="r")))
        self.run = self._session(f"{folder}/model.onnx")

    def _session(self, file):
        output = [self.model["output"]]
        try:
            import onnxruntime
            session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
            return lambda inputs: session.run(output, inputs)[0]
        except ModuleNotFoundError:
            from onnx.reference import ReferenceEvaluator
            session = ReferenceEvaluator(file)
            return lambda inputs: session.run(output, inputs)[0]

    def score(self, request):
        """Scores of a rank request, `[candidates, tasks]`."""
        ids = [self._ids(request, candidate) for candidate in request["candidates"]]
        inputs = {}
        for pooled in self.model["inputs"]["pooled"]:
            rows = [np.concatenate([self._pool(row, part) for part in pooled["parts"]]) for row in ids]
            inputs[pooled["name"]] = np.stack(rows)
        for history in self.model["inputs"]["histories"]:
            entries = np.zeros((len(ids), history["lengthMax"], history["dim"]), np.float32)
            present = np.zeros((len(ids), history["lengthMax"]), np.float32)
            for row, lists in enumerate(ids):
                for i, id in enumerate(lists[history["slot"]][:history["lengthMax"]]):
                    entries[row, i] = self._vector(id, history)
                    present[row, i] = 1
            inputs[history["name"]], inputs[history["present"]] = entries, present
        if self.model["inputs"]["dense"] is not None:
            inputs[self.model["inputs"]["dense"]] = np.array(
                [self._dense(request, candidate) for candidate in request["candidates"]], np.float32)
        outputs = self.run(inputs).astype(np.float64)
        for task, each in enumerate(self.model["tasks"]):
            if each["loss"] != "squaredError":
                outputs[:, task] = 1 / (1 + np.exp(-outputs[:, task]))
        return outputs

    def _vector(self, id, part):
        """A part of the row of an id; zeros where there is no row."""
        index, rows = self.tables[self.slots[part["slot"]]["class"]]
        row = index.get(id)
        if row is None:
            return np.zeros(part["dim"], np.float32)
        return rows[row, part["from"]:part["from"] + part["dim"]]

    def _pool(self, lists, part):
        ids, pooling = lists[part["slot"]], self.slots[part["slot"]]["pooling"]
        if pooling == "first":
            ids = ids[:1]
        total = np.zeros(part["dim"], np.float32)
        for id in ids:
            total = total + self._vector(id, part)
        if pooling == "mean" and ids:
            return total / np.float32(len(ids))
        if pooling == "sqrtn" and ids:
            return total / np.float32(math.sqrt(len(ids)))
        return total

    def _ids(self, request, candidate):
        lists = {}
        crosses = [slot for slot in self.model["slots"] if slot["kind"] == "cross"]
        for slot in self.model["slots"]:
            if slot["kind"] != "cross":
                lists[slot["name"]] = [
                    feature_id(slot, text.encode()) for text in self._texts(slot, request, candidate)]
        for slot in crosses:
            parts = product(*(lists[name] for name in slot["of"]))
            lists[slot["name"]] = [
                feature_id(slot, struct.pack(f"<{len(ids)}Q", *ids))
                for ids in islice(parts, slot["valuesMax"])]
        return lists

    def _texts(self, slot, request, candidate):
        if slot["kind"] == "time":
            return [str(time_part(request.get("timestamp", time.time() * 1000), slot))]
        if slot["kind"] == "id":
            id = candidate["id"] if slot["source"] == "item" else request.get("user", "")
            return [id] if id != "" else []
        value = self._value(slot, request, candidate)
        if value is None:
            return []
        if slot["kind"] == "list":
            return value[:slot["valuesMax"]]
        if slot["kind"] == "numeric":
            return [str(bucket_of(value, slot["buckets"]))]
        return [text_of(value)]

    def _dense(self, request, candidate):
        values = [(self._value(each, request, candidate), each["scaling"]) for each in self.model["dense"]]
        return [0.0 if value is None else scaled(value, scaling) for value, scaling in values]

    def _value(self, reader, request, candidate):
        source = {"user": request.get("userFields"), "context": request.get("context"),
                  "item": candidate.get("fields")}[reader["source"]]
        return (source or {}).get(reader["attribute"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    export = Export(sys.argv[1])
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(export.score(json.loads(line)).tolist()))
