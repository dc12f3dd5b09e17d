import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Scanner;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

/** Tells to which partitions Java's producer sends the keys on its input: see ../README.md. */
public final class Partitions {
    public static void main(String[] arguments) {
        Scanner keys = new Scanner(System.in, StandardCharsets.US_ASCII);
        while (keys.hasNextLine()) {
            String key = keys.nextLine();
            if (key.equals("null")) {
                continue; // It has no partition of its own.
            }
            StringBuilder line = new StringBuilder("java BuiltInPartitioner ").append(key);
            for (int count : new int[] {1, 2, 3, 6, 7, 100}) {
                line.append(' ').append(BuiltInPartitioner.partitionForKey(bytes(key), count));
            }
            System.out.println(line);
        }
    }

    static byte[] bytes(String text) {
        String[] parts = text.split("\\*", -1);
        byte[] once = HexFormat.of().parseHex(parts[0]);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int n = parts.length == 2 ? Integer.parseInt(parts[1]) : 1; n > 0; n--) {
            bytes.writeBytes(once);
        }
        return bytes.toByteArray();
    }
}
