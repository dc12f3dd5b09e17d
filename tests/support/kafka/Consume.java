// Prints what Apache's own consumer reads of a topic, partition by partition as far as it has come: lines
// of partition, offset, key and value.
//
//   java -cp JARS Consume.java TOPIC read_committed|read_uncommitted --bootstrap-server LIST

import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Consume {
    public static void main(String[] arguments) {
        Map<String, Object> settings =
                Map.of("bootstrap.servers", arguments[3], "isolation.level", arguments[1]);
        StringDeserializer strings = new StringDeserializer();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings, strings, strings);
                PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16))) {
            List<TopicPartition> all = consumer.partitionsFor(arguments[0]).stream()
                    .map(it -> new TopicPartition(it.topic(), it.partition()))
                    .collect(Collectors.toList());
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(at -> consumer.position(at) < ends.get(at))) {
                for (ConsumerRecord<String, String> it : consumer.poll(Duration.ofMillis(200))) {
                    out.println(it.partition() + " " + it.offset() + " " + it.key() + " " + it.value());
                }
            }
        }
    }
}
