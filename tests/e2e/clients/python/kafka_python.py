"""kafka-python behind the commands of ../README.md."""

import kafka
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic

from lines import Progress, flooding, hexed, serve, unhex

BOOTSTRAP = {}


def connect(command):
    BOOTSTRAP["bootstrap_servers"] = command["bootstrap"]
    return {"version": kafka.__version__}


def produce(command):
    compression = None if command["compression"] == "none" else command["compression"]
    producer = KafkaProducer(**BOOTSTRAP, compression_type=compression, linger_ms=5, acks="all", **command.get("config", {}))
    waiting = []
    for record in command["records"]:
        headers = [(name, unhex(value)) for name, value in record["h"]]
        waiting.append(producer.send(command["topic"], key=unhex(record["k"]), value=unhex(record["v"]), headers=headers,
                                     partition=None if record["p"] < 0 else record["p"], timestamp_ms=record["t"]))
    producer.flush(60)
    placed = [future.get(60) for future in waiting]
    producer.close()
    return {"at": [[place.partition, place.offset] for place in placed]}


def flood(command):
    compression = None if command["compression"] == "none" else command["compression"]
    producer = KafkaProducer(**BOOTSTRAP, compression_type=compression, linger_ms=5, acks="all", enable_idempotence=True,
                             delivery_timeout_ms=600000, max_block_ms=600000, reconnect_backoff_max_ms=500)
    progress = Progress()

    def failed(error):
        progress.fault = progress.fault or repr(error)

    for partition, key, value, headers in flooding(command):
        future = producer.send(command["topic"], value, key, headers, partition)
        future.add_callback(lambda _: progress.add()).add_errback(failed)
    producer.flush(600)
    producer.close()
    if progress.fault or progress.count != command["count"]:
        raise RuntimeError(f"{progress.count} were acknowledged; {progress.fault}")
    return {"sent": progress.count}


def consume(command):
    consumer = KafkaConsumer(command["topic"], **BOOTSTRAP, group_id=command["group"], auto_offset_reset="earliest",
                             enable_auto_commit=False, consumer_timeout_ms=60000, **command.get("config", {}))
    records = []
    for message in consumer:
        records.append({"p": message.partition, "o": message.offset, "k": hexed(message.key), "v": hexed(message.value),
                        "h": [[name, hexed(value)] for name, value in message.headers], "t": message.timestamp})
        if len(records) == command["count"]:
            break
    if len(records) < command["count"]:
        raise RuntimeError(f"only {len(records)} records came")
    consumer.commit()
    consumer.close()
    return {"records": records}


def with_admin(work):
    admin = KafkaAdminClient(**BOOTSTRAP)
    try:
        return work(admin)
    finally:
        admin.close()


def create_topic(command):
    topic = NewTopic(command["topic"], command["partitions"], 1, topic_configs=command["configs"])
    with_admin(lambda admin: admin.create_topics([topic]))
    return {}


def delete_topic(command):
    with_admin(lambda admin: admin.delete_topics([command["topic"]]))
    return {}


def topics(_):
    return {"topics": sorted(with_admin(lambda admin: admin.list_topics()))}


def config(command):
    resource = ConfigResource(ConfigResourceType.TOPIC, command["topic"])
    return {"value": str(with_admin(lambda admin: admin.describe_configs([resource])))}


serve({"connect": connect, "produce": produce, "consume": consume, "create_topic": create_topic, "delete_topic": delete_topic,
       "topics": topics, "config": config, "flood": flood})
