"""The stack that a team would build by itself for ranking over HTTP: FastAPI on uvicorn, Redis, ONNX Runtime.

    rank_server.py load --items 1000000 --redis 6390
    rank_server.py serve --redis 6390

Takes the requests of the shop (shop.ts) and computes the same model from the same attributes: DeepFM of dim 16 with
tower 128-64 over user, item, category, brand, tags (mean), price bucket, device, hour and user x category, and the
price as a dense value. Attributes of items are hashes in Redis, read in one pipeline. The impression is appended to a
Redis stream before the answer. Embeddings are rows of one array at hashed indices; nothing is learned.

`serve` prints its port as one line when it listens.
"""
import argparse
import math

import numpy as np

DIM, HIDDEN, SLOTS, TAGS, ROWS = 16, (128, 64), 9, 3, 1_000_000
ITEMS_PER_PIPELINE = 5_000


def load(arguments):
    import redis

    store = redis.Redis(port=arguments.redis)
    pipeline = store.pipeline(transaction=False)
    for i in range(arguments.items):
        tags = f"t{i % 997} t{i % 499} t{i % 251}"
        attributes = {"category": f"c{i % 300}", "brand": f"b{i % 20011}", "tags": tags, "price": 1 + i % 500}
        pipeline.hset(f"item:i{i}", mapping=attributes)
        if i % ITEMS_PER_PIPELINE == ITEMS_PER_PIPELINE - 1:
            pipeline.execute()
    pipeline.execute()


def open_session():
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(1)
    constants = []
    nodes = []

    def constant(name, value):
        constants.append(numpy_helper.from_array(value, name))
        return name

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    width = SLOTS * DIM
    shape = constant("shape", np.array([-1, width], np.int64))
    flat = node("Reshape", ["embeddings", shape], "flat")
    x = node("Concat", [flat, "price"], "x", axis=1)
    sizes = (width + 1, *HIDDEN, 1)
    for i, (rows, columns) in enumerate(zip(sizes, sizes[1:])):
        weights = constant(f"w{i}", random.normal(0, 0.1, (rows, columns)).astype(np.float32))
        bias = constant(f"b{i}", np.zeros(columns, np.float32))
        x = node("Gemm", [x, weights, bias], f"layer{i}")
        if i < len(HIDDEN):
            x = node("Relu", [x], f"relu{i}")
    slots, both = constant("slots", np.array([1], np.int64)), constant("both", np.array([1, 2], np.int64))
    column, half = constant("column", np.array([1], np.int64)), constant("half", np.float32(0.5))
    total = node("ReduceSum", ["embeddings", slots], "total", keepdims=0)
    square_of_sum = node("ReduceSum", [node("Mul", [total, total], "squared"), column], "square_of_sum", keepdims=1)
    squares = node("Mul", ["embeddings", "embeddings"], "squares")
    sum_of_squares = node("Unsqueeze", [node("ReduceSum", [squares, both], "sum", keepdims=0), column], "sum_of_squares")
    pairs = node("Mul", [node("Sub", [square_of_sum, sum_of_squares], "difference"), half], "pairs")
    logit = node("Add", [node("Add", [x, pairs], "deep_and_pairs"), "first_order"], "logit")
    node("Sigmoid", [logit], "scores")
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "deepfm",
        [
            helper.make_tensor_value_info("embeddings", floats, ["rows", SLOTS, DIM]),
            helper.make_tensor_value_info("price", floats, ["rows", 1]),
            helper.make_tensor_value_info("first_order", floats, ["rows", 1]),
        ],
        [helper.make_tensor_value_info("scores", floats, ["rows", 1])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def create_app(redis_port):
    import time
    import uuid

    import orjson
    import redis.asyncio as redis
    from fastapi import FastAPI, Request, Response

    api = FastAPI()
    store = redis.Redis(port=redis_port)
    random = np.random.default_rng(2)
    table = random.normal(0, 0.05, (ROWS, DIM)).astype(np.float32)
    first_orders = random.normal(0, 0.05, ROWS).astype(np.float32)
    run = open_session().run

    def row_of(*value):
        return hash(value) % ROWS

    @api.post("/v1/rank")
    async def rank(request: Request):
        body = orjson.loads(await request.body())
        user = body["user"]
        ids = [candidate["id"] for candidate in body["candidates"]]
        pipeline = store.pipeline(transaction=False)
        for item in ids:
            pipeline.hmget("item:" + item, "category", "brand", "tags", "price")
        shared = (
            row_of("user", user),
            row_of("device", body.get("context", {}).get("device")),
            row_of("hour", int(time.time()) // 3600 % 24),
        )
        rows = np.empty((len(ids), SLOTS - 1), np.int64)
        tags = np.empty((len(ids), TAGS), np.int64)
        prices = np.empty((len(ids), 1), np.float32)
        for i, (item, (category, brand, tag_list, price)) in enumerate(zip(ids, await pipeline.execute())):
            log_price = math.log1p(float(price))
            prices[i] = log_price
            rows[i, :3] = shared
            rows[i, 3:] = (
                row_of("item", item),
                row_of("category", category),
                row_of("brand", brand),
                row_of("price", int(4 * log_price)),
                row_of("cross", user, category),
            )
            tags[i] = [row_of("tag", tag) for tag in tag_list.split()]
        pooled = table[tags].mean(axis=1, keepdims=True)
        embeddings = np.concatenate((table[rows], pooled), axis=1)
        first_order = first_orders[rows].sum(axis=1, keepdims=True)
        inputs = {"embeddings": embeddings, "price": prices, "first_order": first_order}
        scores = run(None, inputs)[0][:, 0]
        order = np.argsort(-scores)
        ranking = str(uuid.uuid4())
        impression = {"ranking": ranking, "user": user, "items": orjson.dumps(ids), "rows": rows.tobytes()}
        await store.xadd("impressions", impression, maxlen=100_000, approximate=True)
        items = [{"id": ids[i], "score": float(scores[i])} for i in order]
        return Response(orjson.dumps({"rankingId": ranking, "items": items}), media_type="application/json")

    return api


def serve(arguments):
    import socket

    import uvicorn

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(arguments.redis), loop="uvloop", http="httptools", log_level="error", access_log=False
    )
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("load", "serve"))
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--redis", type=int, required=True)
    arguments = parser.parse_args()
    (load if arguments.command == "load" else serve)(arguments)
