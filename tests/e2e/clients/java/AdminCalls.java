// Admin calls of the Java client, each answered with what a test can compare; and a group whose members come and go.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class AdminCalls implements Driver.Extension {
    @Override
    public void handle(JsonNode command, ObjectNode answer) throws Exception {
        if (command.get("do").asText().equals("rebalance")) {
            rebalance(command, answer);
        } else {
            calls(command, answer);
        }
    }

    static <T> T done(KafkaFuture<T> future) throws Exception {
        return future.get(Driver.WAIT_S, TimeUnit.SECONDS);
    }

    // One topic through the calls of an administrator, in an order in which each depends on those before.
    static void calls(JsonNode command, ObjectNode answer) throws Exception {
        String topic = command.get("topic").asText();
        TopicPartition first = new TopicPartition(topic, 0);
        try (Admin admin = Admin.create(Driver.settings(command))) {
            var cluster = admin.describeCluster();
            answer.put("nodes", done(cluster.nodes()).size()).put("controller", done(cluster.controller()).id());
            answer.put("clusterId", done(cluster.clusterId()));
            var made = admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1).configs(Map.of("retention.ms", "-1"))));
            answer.put("made", done(made.numPartitions(topic))).put("madeId", done(made.topicId(topic)).toString());
            done(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all());
            produce(command, topic, 10);

            TopicDescription described = done(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
            answer.put("partitions", described.partitions().size()).put("describedId", described.topicId().toString());
            answer.put("leader", described.partitions().get(2).leader().id());

            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            var set = new AlterConfigOp(new ConfigEntry("segment.bytes", "1048576"), AlterConfigOp.OpType.SET);
            var append = new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND);
            done(admin.incrementalAlterConfigs(Map.of(resource, List.of(set, append))).all());
            var config = done(admin.describeConfigs(List.of(resource)).all()).get(resource);
            answer.put("segmentBytes", config.get("segment.bytes").value()).put("cleanup", config.get("cleanup.policy").value());
            answer.put("source", config.get("segment.bytes").source().toString());
            answer.put("default", config.get("flush.ms").isDefault());

            answer.put("latest", offset(admin, first, OffsetSpec.latest())).put("earliest", offset(admin, first, OffsetSpec.earliest()));
            done(admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(4))).all());
            answer.put("earliestAfter", offset(admin, first, OffsetSpec.earliest()));

            done(admin.alterConsumerGroupOffsets("admins", Map.of(first, new OffsetAndMetadata(7, "note"))).all());
            var committed = done(admin.listConsumerGroupOffsets("admins").partitionsToOffsetAndMetadata()).get(first);
            answer.put("committed", committed.offset()).put("metadata", committed.metadata());
            answer.put("state", state(done(admin.describeConsumerGroups(List.of("admins")).all()).get("admins")));
            done(admin.deleteConsumerGroupOffsets("admins", java.util.Set.of(first)).all());
            answer.put("forgotten", done(admin.listConsumerGroupOffsets("admins").partitionsToOffsetAndMetadata()).get(first) == null);

            answer.put("producers", done(admin.describeProducers(List.of(first)).all()).get(first).activeProducers().size());
            var dirs = done(admin.describeLogDirs(List.of(1)).allDescriptions()).get(1).values().iterator().next();
            answer.put("sized", dirs.replicaInfos().get(first).size() > 0);
            answer.put("voters", done(admin.describeMetadataQuorum().quorumInfo()).voters().size());
            done(admin.deleteTopics(List.of(topic)).all());
            answer.put("gone", !done(admin.listTopics().names()).contains(topic));
        }
    }

    // The method has another name since 4.0.
    static String state(Object description) throws Exception {
        for (var method : description.getClass().getMethods()) {
            if (method.getName().equals("groupState")) {
                return method.invoke(description).toString();
            }
        }
        return description.getClass().getMethod("state").invoke(description).toString();
    }

    static long offset(Admin admin, TopicPartition partition, OffsetSpec spec) throws Exception {
        return done(admin.listOffsets(Map.of(partition, spec)).partitionResult(partition)).offset();
    }

    static void produce(JsonNode command, String topic, int count) throws Exception {
        try (var producer = new KafkaProducer<>(Driver.settings(command), new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int number = 0; number < count; number++) {
                producer.send(new ProducerRecord<>(topic, 0, null, new byte[] {(byte) number})).get(Driver.WAIT_S, TimeUnit.SECONDS);
            }
        }
    }

    /** A member with a thread's worth of state: what it holds, and how often something was taken from it. */
    static class Member implements ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        int taken;

        Member(Properties settings, String topic) {
            consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            consumer.subscribe(List.of(topic), this);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            taken += partitions.size();
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        }

        int holds() {
            return consumer.assignment().size();
        }
    }

    // Two members share the partitions of a topic; when one leaves, the other has them all again.
    static void rebalance(JsonNode command, ObjectNode answer) throws Exception {
        String topic = command.get("topic").asText();
        Properties settings = Driver.settings(command);
        settings.put("group.id", command.get("group").asText());
        int count = command.get("partitions").asInt();
        ArrayNode held = answer.putArray("held");
        Member one = new Member(settings, topic);
        poll(() -> one.holds() == count, one);
        held.addArray().add(one.holds());
        if (command.has("static")) {
            settings.put("group.instance.id", "the-other");
        }
        Member two = new Member(settings, topic);
        poll(() -> one.holds() + two.holds() == count && one.holds() > 0 && two.holds() > 0, one, two);
        TreeSet<String> distinct = new TreeSet<>();
        one.consumer.assignment().forEach(partition -> distinct.add(partition.toString()));
        two.consumer.assignment().forEach(partition -> distinct.add(partition.toString()));
        held.addArray().add(one.holds()).add(two.holds());
        answer.put("distinct", distinct.size()).put("takenFromFirst", one.taken);
        two.consumer.close();
        if (command.has("static")) {
            // A static member that closes keeps its share until its session ends; its successor gets it at once.
            Member three = new Member(settings, topic);
            poll(() -> three.holds() == count / 2, one, three);
            held.addArray().add(one.holds()).add(three.holds());
            three.consumer.close();
        } else {
            poll(() -> one.holds() == count, one);
            held.addArray().add(one.holds());
        }
        one.consumer.close();
    }

    static void poll(BooleanSupplier until, Member... members) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(Driver.WAIT_S);
        while (!until.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("the group does not settle");
            }
            for (Member member : members) {
                member.consumer.poll(Duration.ofMillis(50));
            }
        }
    }
}
