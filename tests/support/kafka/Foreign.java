// Writes what Apache's own producer writes, for kafkio to read. Run by scenarios, as source, with the
// jars of the Kafka at hand; whatever not all of its versions have is called by reflection.
//
//   java -cp JARS Foreign.java codecs TOPIC none,gzip,… --bootstrap-server LIST
//   java -cp JARS Foreign.java transactions TOPIC TRANSACTIONAL_ID --bootstrap-server LIST
//   java -cp JARS Foreign.java keys TOPIC COUNT --bootstrap-server LIST

import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Foreign {
    static final long TIME = 1_600_000_000_000L;

    public static void main(String[] arguments) throws Exception {
        String topic = arguments[1];
        String bootstrap = arguments[4];
        switch (arguments[0]) {
            case "codecs" -> codecs(topic, arguments[2].split(","), bootstrap);
            case "transactions" -> transactions(topic, arguments[2], bootstrap);
            case "keys" -> keys(topic, Integer.parseInt(arguments[2]), bootstrap);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    /** 300 records in small batches with each codec, one after the other. */
    static void codecs(String topic, String[] codecs, String bootstrap) throws Exception {
        for (String codec : codecs) {
            try (KafkaProducer<byte[], byte[]> producer =
                    producer(bootstrap, Map.of("compression.type", codec))) {
                for (int n = 0; n < 300; n++) {
                    send(producer, topic, TIME + n, codec, codec + " " + n);
                    if (n % 100 == 99) {
                        producer.flush();
                    }
                }
            }
        }
    }

    /** So many keys, each to the partition that the producer chooses. */
    static void keys(String topic, int count, String bootstrap) {
        try (KafkaProducer<byte[], byte[]> producer = producer(bootstrap, Map.of())) {
            for (int n = 0; n < count; n++) {
                producer.send(new ProducerRecord<>(topic, bytes("key " + n), bytes("java")));
            }
        }
    }

    /** Ten transactions, every other one aborted; one that is fenced; and a last one. */
    static void transactions(String topic, String id, String bootstrap) throws Exception {
        Map<String, Object> settings = Map.of("transactional.id", id, "compression.type", "gzip");
        KafkaProducer<byte[], byte[]> first = producer(bootstrap, settings);
        call(first, "initTransactions");
        for (int t = 0; t < 10; t++) {
            call(first, "beginTransaction");
            String fate = t % 2 == 0 ? "commit" : "abort";
            for (int n = 0; n < 50; n++) {
                send(first, topic, TIME, fate, fate + " " + t + " " + n);
            }
            first.flush();
            call(first, fate + "Transaction");
        }
        call(first, "beginTransaction");
        send(first, topic, TIME, "fenced", "fenced");
        first.flush();
        try (KafkaProducer<byte[], byte[]> second = producer(bootstrap, settings)) {
            call(second, "initTransactions");
            try {
                call(first, "commitTransaction");
                throw new IllegalStateException("it was not fenced");
            } catch (InvocationTargetException expected) {
                System.out.println(expected.getCause());
            }
            call(second, "beginTransaction");
            send(second, topic, TIME, "commit", "last");
            call(second, "commitTransaction");
        }
        first.close();
    }

    static KafkaProducer<byte[], byte[]> producer(String bootstrap, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("bootstrap.servers", bootstrap);
        settings.put("acks", "all");
        settings.put("linger.ms", 20);
        settings.put("batch.size", 2_000);
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static void send(
            KafkaProducer<byte[], byte[]> producer, String topic, long time, String key, String value) {
        producer.send(new ProducerRecord<>(topic, 0, time, bytes(key), bytes(value)));
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void call(KafkaProducer<byte[], byte[]> producer, String name) throws Exception {
        KafkaProducer.class.getMethod(name).invoke(producer);
    }
}
