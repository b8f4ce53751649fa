// The Java client library behind the commands of ../README.md.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Driver {
    static final ObjectMapper JSON = new ObjectMapper();
    static final long WAIT_S = 60;
    static String bootstrap;

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                handle(JSON.readTree(line), answer);
            } catch (Throwable fault) {
                fault.printStackTrace();
                answer.put("error", fault.toString());
            }
            answers.println(JSON.writeValueAsString(answer));
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    /** More commands, where the class path has them. */
    interface Extension {
        void handle(JsonNode command, ObjectNode answer) throws Exception;
    }

    static void handle(JsonNode command, ObjectNode answer) throws Exception {
        switch (command.get("do").asText()) {
            case "connect" -> bootstrap = command.get("bootstrap").asText();
            case "produce" -> produce(command, answer);
            case "flood" -> flood(command, answer);
            case "consume" -> consume(command, answer);
            case "tool" -> extension("Tools").handle(command, answer);
            case "admin", "rebalance" -> extension("AdminCalls").handle(command, answer);
            default -> administrate(command, answer);
        }
    }

    static Extension extension(String name) throws Exception {
        return (Extension) Class.forName(name).getDeclaredConstructor().newInstance();
    }

    static Properties settings(JsonNode command) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        JsonNode more = command.get("config");
        if (more != null) {
            more.fields().forEachRemaining(entry -> settings.put(entry.getKey(), entry.getValue().asText()));
        }
        return settings;
    }

    static void produce(JsonNode command, ObjectNode answer) throws Exception {
        Properties settings = settings(command);
        settings.put("compression.type", command.get("compression").asText());
        settings.putIfAbsent("linger.ms", "5");
        List<Future<RecordMetadata>> waiting = new ArrayList<>();
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (JsonNode sent : command.get("records")) {
                Integer partition = sent.get("p").asInt() < 0 ? null : sent.get("p").asInt();
                var record = new ProducerRecord<>(command.get("topic").asText(), partition, sent.get("t").asLong(),
                    unhex(sent.get("k")), unhex(sent.get("v")));
                for (JsonNode header : sent.get("h")) {
                    record.headers().add(header.get(0).asText(), unhex(header.get(1)));
                }
                waiting.add(producer.send(record));
            }
            producer.flush();
        }
        ArrayNode places = answer.putArray("at");
        for (Future<RecordMetadata> one : waiting) {
            RecordMetadata place = one.get(WAIT_S, TimeUnit.SECONDS);
            places.addArray().add(place.partition()).add(place.offset());
        }
    }

    static void flood(JsonNode command, ObjectNode answer) {
        Properties settings = settings(command);
        settings.put("compression.type", command.get("compression").asText());
        settings.put("linger.ms", "5");
        settings.put("delivery.timeout.ms", "600000");
        settings.put("max.block.ms", "600000");
        String name = command.get("name").asText();
        AtomicReference<Exception> fault = new AtomicReference<>();
        AtomicLong acknowledged = new AtomicLong();
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (long seq = 0; seq < command.get("count").asLong(); seq++) {
                byte[] text = (name + " " + seq + " ").getBytes(StandardCharsets.UTF_8);
                byte[] value = new byte[(int) (64 + seq * 7919 % 4001)];
                for (int at = 0; at < value.length; at++) {
                    value[at] = text[at % text.length];
                }
                byte[] key = seq % 5 == 0 ? null : (name + "-" + seq % 101).getBytes(StandardCharsets.UTF_8);
                int partition = (int) (seq % command.get("partitions").asInt());
                var record = new ProducerRecord<>(command.get("topic").asText(), partition, key, value);
                if (seq % 3 == 0) {
                    record.headers().add("seq", Long.toString(seq).getBytes(StandardCharsets.UTF_8));
                }
                producer.send(record, (place, error) -> {
                    if (error != null) {
                        fault.compareAndSet(null, error);
                    }
                    long count = acknowledged.incrementAndGet();
                    if (count % 500 == 0) {
                        System.out.println("{\"progress\": " + count + "}");
                    }
                });
            }
        }
        if (fault.get() != null) {
            throw new IllegalStateException(fault.get());
        }
        answer.put("sent", acknowledged.get());
    }

    static void consume(JsonNode command, ObjectNode answer) {
        Properties settings = settings(command);
        settings.put("group.id", command.get("group").asText());
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        int count = command.get("count").asInt();
        ArrayNode records = answer.putArray("records");
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(command.get("topic").asText()));
            while (records.size() < count) {
                if (System.nanoTime() > end) {
                    throw new IllegalStateException("only " + records.size() + " records came");
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                    note(record, records.addObject());
                }
            }
            consumer.commitSync(Duration.ofSeconds(WAIT_S));
        }
    }

    static void note(ConsumerRecord<byte[], byte[]> record, ObjectNode found) {
        found.put("p", record.partition()).put("o", record.offset()).put("t", record.timestamp());
        found.put("k", hexed(record.key())).put("v", hexed(record.value()));
        ArrayNode headers = found.putArray("h");
        for (Header header : record.headers()) {
            headers.addArray().add(header.key()).add(hexed(header.value()));
        }
    }

    static void administrate(JsonNode command, ObjectNode answer) throws Exception {
        String topic = command.path("topic").asText();
        try (Admin admin = Admin.create(settings(command))) {
            switch (command.get("do").asText()) {
                case "create_topic" -> {
                    Map<String, String> configs = JSON.convertValue(command.get("configs"), Map.class);
                    admin.createTopics(List.of(new NewTopic(topic, command.get("partitions").asInt(), (short) 1).configs(configs)))
                        .all().get(WAIT_S, TimeUnit.SECONDS);
                }
                case "delete_topic" -> admin.deleteTopics(List.of(topic)).all().get(WAIT_S, TimeUnit.SECONDS);
                case "topics" -> {
                    ArrayNode names = answer.putArray("topics");
                    admin.listTopics().names().get(WAIT_S, TimeUnit.SECONDS).stream().sorted().forEach(names::add);
                }
                case "config" -> {
                    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
                    answer.put("value", admin.describeConfigs(List.of(resource)).all().get(WAIT_S, TimeUnit.SECONDS).get(resource)
                        .get(command.get("key").asText()).value());
                }
                default -> throw new IllegalArgumentException("unknown command");
            }
        }
    }

    static byte[] unhex(JsonNode text) {
        return text == null || text.isNull() ? null : HexFormat.of().parseHex(text.asText());
    }

    static String hexed(byte[] data) {
        return data == null ? null : HexFormat.of().formatHex(data);
    }
}
