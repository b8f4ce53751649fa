"""The classic first program of a Kafka user. `produce` and `consume` are its two halves; the rest is lines on a pipe."""

from confluent_kafka import Consumer, Producer

from lines import serve


def produce(command):
    delivered = []

    def callback(error, message):
        delivered.append({"error": str(error) if error else None, "topic": message.topic(), "partition": message.partition(),
                          "offset": message.offset()})

    producer = Producer({"bootstrap.servers": command["bootstrap"]})
    producer.produce("meu_topico", key="chave", value="minha mensagem", callback=callback)
    producer.flush()
    return {"delivered": delivered}


def consume(command):
    consumer = Consumer({"bootstrap.servers": command["bootstrap"], "group.id": "meu_grupo", "auto.offset.reset": "earliest"})
    consumer.subscribe(["meu_topico"])
    message = consumer.poll(60)
    if message is None or message.error():
        raise RuntimeError(f"nothing was read: {message and message.error()}")
    found = {"key": message.key().decode(), "value": message.value().decode(), "partition": message.partition(),
             "offset": message.offset()}
    consumer.close()
    return found


serve({"produce": produce, "consume": consume})
