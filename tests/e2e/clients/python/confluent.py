"""confluent-kafka (librdkafka) behind the commands of ../README.md."""

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from lines import Progress, flooding, hexed, serve, unhex

BOOTSTRAP = {}


def connect(command):
    BOOTSTRAP["bootstrap.servers"] = command["bootstrap"]
    return {}


def produce(command):
    producer = Producer({**BOOTSTRAP, "compression.type": command["compression"], "linger.ms": 5, **command.get("config", {})})
    places = [None] * len(command["records"])

    def note(index):
        def delivered(error, message):
            if error is not None:
                raise KafkaException(error)
            places[index] = [message.partition(), message.offset()]
        return delivered

    for index, record in enumerate(command["records"]):
        headers = [(name, unhex(value)) for name, value in record["h"]]
        producer.produce(command["topic"], key=unhex(record["k"]), value=unhex(record["v"]), headers=headers,
                         partition=record["p"], timestamp=record["t"], on_delivery=note(index))
        producer.poll(0)
    left = producer.flush(60)
    if left:
        raise RuntimeError(f"{left} records were not delivered")
    return {"at": places}


def flood(command):
    producer = Producer({**BOOTSTRAP, "compression.type": command["compression"], "linger.ms": 5, "enable.idempotence": True,
                         "message.timeout.ms": 600000, "reconnect.backoff.max.ms": 500})
    progress = Progress()

    def delivered(error, _):
        if error is not None:
            progress.fault = progress.fault or str(error)
        progress.add()

    for partition, key, value, headers in flooding(command):
        while True:
            try:
                producer.produce(command["topic"], value, key, partition, headers=headers, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    while producer.flush(1):
        pass
    if progress.fault:
        raise RuntimeError(progress.fault)
    return {"sent": progress.count}


def consume(command):
    consumer = Consumer({**BOOTSTRAP, "group.id": command["group"], "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, **command.get("config", {})})
    consumer.subscribe([command["topic"]])
    records = []
    while len(records) < command["count"]:
        message = consumer.poll(60)
        if message is None:
            raise RuntimeError(f"only {len(records)} records came")
        if message.error():
            if message.error().code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            raise KafkaException(message.error())
        records.append({"p": message.partition(), "o": message.offset(), "k": hexed(message.key()), "v": hexed(message.value()),
                        "h": [[name, hexed(value)] for name, value in message.headers() or []], "t": message.timestamp()[1]})
    consumer.commit(asynchronous=False)
    consumer.close()
    return {"records": records}


def create_topic(command):
    topic = NewTopic(command["topic"], command["partitions"], 1, config=command["configs"])
    admin = AdminClient(BOOTSTRAP)
    admin.create_topics([topic])[command["topic"]].result(30)
    return {}


def delete_topic(command):
    admin = AdminClient(BOOTSTRAP)
    admin.delete_topics([command["topic"]])[command["topic"]].result(30)
    return {}


def topics(_):
    return {"topics": sorted(AdminClient(BOOTSTRAP).list_topics(timeout=30).topics)}


def config(command):
    resource = ConfigResource(ResourceType.TOPIC, command["topic"])
    admin = AdminClient(BOOTSTRAP)
    return {"value": admin.describe_configs([resource])[resource].result(30)[command["key"]].value}


def watermarks(command):
    consumer = Consumer({**BOOTSTRAP, "group.id": "watermarks"})
    low, high = consumer.get_watermark_offsets(TopicPartition(command["topic"], command["partition"]), timeout=30)
    consumer.close()
    return {"low": low, "high": high}


serve({"connect": connect, "produce": produce, "consume": consume, "create_topic": create_topic, "delete_topic": delete_topic,
       "topics": topics, "config": config, "watermarks": watermarks, "flood": flood})
