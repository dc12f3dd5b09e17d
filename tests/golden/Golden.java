import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.*;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.zip.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.RawTaggedField;

/**
 * Writes the bytes that Apache Kafka's own generated classes make of every message that clients send or receive, in
 * every version that this kafka-clients jar knows. The jar's JSON schemas say what to fill in, reflection does it.
 *
 * Usage: Golden OUT SOURCE. Entries are added to OUT (gzip) if it exists; those that are there already are left out.
 * An entry: i16 API key, u8 kind, i16 version, u8 filling, u8 source, u32 length, then that many bytes.
 */
public final class Golden {
    /** The calls that clients may make; the others are between brokers. */
    static final int[][] KEYS = {
        {0, 3}, {8, 51}, {55, 55}, {57, 57}, {60, 61}, {64, 66}, {68, 69}, {71, 72}, {74, 81}, {88, 92}};

    static final int REQUEST = 0, RESPONSE = 1, REQUEST_HEADER = 2, RESPONSE_HEADER = 3, ERRORS = 4, API_KEYS = 5;

    /** What the fields of a message are filled with. The order is part of the format. */
    enum Filling {
        /** Nothing is set. */
        DEFAULTS,
        /** Small seeded values, two elements an array. */
        TYPICAL,
        /** The same, with null wherever this version allows it. */
        NULLS,
        /** Zeros, empty strings; three elements an array at the top, one or none below. */
        EMPTY,
        /** The smallest integers; strings and arrays whose lengths need two bytes as a varint. */
        LOWEST,
        /** The largest integers; the longest strings that a length of 16 bits can say. */
        HIGHEST,
        /** Tagged fields only, in the outermost struct and in one element of each array. */
        TAGGED,
        /** Typical, with a tagged field in every struct that no schema has. */
        UNKNOWN_TAG,
    }

    static final int UNKNOWN_TAG = 9999;

    static ByteArrayOutputStream out = new ByteArrayOutputStream();
    static Set<ByteBuffer> seen = new HashSet<>();
    static Map<String, JsonNode> schemas = new HashMap<>();
    static int source, skipped;

    public static void main(String[] args) throws Exception {
        Path path = Paths.get(args[0]);
        source = Integer.parseInt(args[1]);
        if (Files.exists(path)) read(path);

        StringBuilder apiKeys = new StringBuilder();
        for (ApiMessageType type : ApiMessageType.values()) {
            if (!forClients(type.apiKey())) continue;
            short lowest = type.lowestSupportedVersion();
            short highest = type.highestSupportedVersion(false);
            if (highest < lowest) continue;
            apiKeys.append(type.apiKey()).append(' ').append(type.name).append('\n');
            JsonNode request = schema(type.name + "Request"), response = schema(type.name + "Response");
            for (Filling filling : Filling.values()) {
                for (short v = lowest; v <= highest; v++) body(type, REQUEST, request, v, filling);
                for (short v = lowest; v <= highest; v++) body(type, RESPONSE, response, v, filling);
                for (short v = lowest; v <= highest; v++) headers(type, v, filling);
            }
        }
        add((short) -1, API_KEYS, (short) 0, 0, apiKeys.toString().getBytes(StandardCharsets.UTF_8));
        add((short) -1, ERRORS, (short) 0, 0, errors().getBytes(StandardCharsets.UTF_8));

        try (OutputStream file = new GZIPOutputStream(Files.newOutputStream(path)) {{ def.setLevel(9); }}) {
            out.writeTo(file);
        }
        System.out.println(seen.size() + " entries, " + out.size() + " bytes, " + Files.size(path)
            + " compressed; fillings that a version cannot carry: " + skipped);
    }

    static boolean forClients(short key) {
        return Arrays.stream(KEYS).anyMatch(range -> range[0] <= key && key <= range[1]);
    }

    /** Apache's table of error codes: code, name, whether the exception is a RetriableException. */
    static String errors() {
        StringBuilder table = new StringBuilder();
        for (Errors error : Errors.values()) {
            table.append(error.code()).append(' ').append(error).append(' ')
                .append(error.exception() instanceof RetriableException).append('\n');
        }
        return table.toString();
    }

    static JsonNode schema(String name) throws IOException {
        JsonNode known = schemas.get(name);
        if (known != null) return known;
        try (InputStream json = ApiMessageType.class.getResourceAsStream("/common/message/" + name + ".json")) {
            JsonNode read = new ObjectMapper().configure(JsonParser.Feature.ALLOW_COMMENTS, true).readTree(json);
            schemas.put(name, read);
            return read;
        }
    }

    // One message.

    static void body(ApiMessageType type, int kind, JsonNode schema, short version, Filling filling) throws Exception {
        boolean flexible = contains(schema.path("flexibleVersions").asText(), version);
        if (!flexible && (filling == Filling.TAGGED || filling == Filling.UNKNOWN_TAG)) return;
        Message message = kind == REQUEST ? type.newRequest() : type.newResponse();
        new Filler(schema, message.getClass(), version, flexible, filling, type.apiKey() * 31L + kind).fill(message, 0);
        try {
            add(type.apiKey(), kind, version, filling.ordinal(), bytes(message, version));
        } catch (RuntimeException impossible) {
            // Such as a default that is null in a version that has no null.
            System.err.println("skipped " + schema.get("name").asText() + " " + version + " " + filling + ": " + impossible);
            skipped++;
        }
    }

    static void headers(ApiMessageType type, short version, Filling filling) throws Exception {
        if (filling == Filling.DEFAULTS || filling == Filling.TAGGED) return;
        RequestHeaderData request = new RequestHeaderData();
        ResponseHeaderData response = new ResponseHeaderData();
        short requestVersion = type.requestHeaderVersion(version), responseVersion = type.responseHeaderVersion(version);
        if (requestVersion >= 2 || filling != Filling.UNKNOWN_TAG) {
            new Filler(schema("RequestHeader"), RequestHeaderData.class, requestVersion, requestVersion >= 2, filling, 0).fill(request, 1);
            request.setRequestApiKey(type.apiKey()).setRequestApiVersion(version);
            add(type.apiKey(), REQUEST_HEADER, version, filling.ordinal(), bytes(request, requestVersion));
        }
        if (responseVersion >= 1 || filling != Filling.UNKNOWN_TAG) {
            new Filler(schema("ResponseHeader"), ResponseHeaderData.class, responseVersion, responseVersion >= 1, filling, 0).fill(response, 1);
            add(type.apiKey(), RESPONSE_HEADER, version, filling.ordinal(), bytes(response, responseVersion));
        }
    }

    static byte[] bytes(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) throw new IllegalStateException("size() and write() differ");
        return buffer.array();
    }

    // What stands in the fields.

    static final class Filler {
        final JsonNode schema;
        final Class<?> outer;
        final short version;
        final boolean flexible;
        final Filling filling;
        final Random random;

        Filler(JsonNode schema, Class<?> outer, short version, boolean flexible, Filling filling, long seed) {
            this.schema = schema;
            this.outer = outer;
            this.version = version;
            this.flexible = flexible;
            this.filling = filling;
            // Not by version: the same values in every version compress well.
            this.random = new Random(seed);
        }

        void fill(Message message, int depth) throws Exception {
            fill(message, schema.get("fields"), depth);
        }

        void fill(Message message, JsonNode fields, int depth) throws Exception {
            if (filling == Filling.DEFAULTS) return;
            for (JsonNode field : fields) {
                if (!contains(field.get("versions").asText(), version)) continue;
                Method setter = setter(message, field.get("name").asText());
                Class<?> type = setter.getParameterTypes()[0];
                String text = field.get("type").asText();
                boolean nullable = contains(field.path("nullableVersions").asText("none"), version);
                if (filling == Filling.NULLS && nullable) {
                    setter.invoke(message, (Object) null);
                } else if (text.startsWith("[]")) {
                    setter.invoke(message, array(type, text.substring(2), field, depth));
                } else if (filling != Filling.TAGGED || field.has("tag") || isStruct(text)) {
                    setter.invoke(message, value(type, text, field, depth));
                }
            }
            if (filling == Filling.UNKNOWN_TAG && flexible) {
                byte[] data = new byte[random.nextInt(4)];
                random.nextBytes(data);
                message.unknownTaggedFields().add(new RawTaggedField(UNKNOWN_TAG + depth, data));
            }
        }

        @SuppressWarnings("unchecked")
        Object array(Class<?> type, String element, JsonNode field, int depth) throws Exception {
            // `List`, or a collection class of the message, for arrays whose elements have a key.
            Collection<Object> items = type == List.class ? new ArrayList<>()
                : (Collection<Object>) type.getDeclaredConstructor().newInstance();
            int length = switch (filling) {
                case EMPTY -> !isStruct(element) ? 0 : depth == 0 ? 3 : random.nextInt(2);
                case LOWEST, HIGHEST -> isStruct(element) ? 1 : 130;
                case TAGGED -> isStruct(element) || field.has("tag") ? 1 : 0;
                default -> 2;
            };
            // Deep, so that many strings are short.
            int inside = isStruct(element) ? depth + 1 : 9;
            for (int i = 0; i < length; i++) items.add(value(null, element, field, inside));
            return items;
        }

        /** `type` is what the setter takes; null inside an array. */
        Object value(Class<?> type, String text, JsonNode field, int depth) throws Exception {
            switch (text) {
                case "bool": return filling == Filling.HIGHEST || filling == Filling.TAGGED || pick(0, 0, 1) == 1;
                case "int8": return (byte) pick(Byte.MIN_VALUE, Byte.MAX_VALUE, 100);
                case "int16": return (short) pick(Short.MIN_VALUE, Short.MAX_VALUE, 100);
                case "uint16": return (int) pick(0, 65535, 100);
                case "int32": return (int) pick(Integer.MIN_VALUE, Integer.MAX_VALUE, 1000);
                case "uint32": return pick(0, 0xffffffffL, 1000);
                case "int64": return pick(Long.MIN_VALUE, Long.MAX_VALUE, 100000);
                case "float64": return (double) pick(Long.MIN_VALUE, Long.MAX_VALUE, 1000) / 8;
                case "uuid": return new Uuid(pick(Long.MIN_VALUE, Long.MAX_VALUE, 1000), pick(Long.MIN_VALUE, Long.MAX_VALUE, 1000));
                case "string": return string(depth);
                case "bytes": {
                    byte[] bytes = string(depth).getBytes(StandardCharsets.UTF_8);
                    return type == ByteBuffer.class ? ByteBuffer.wrap(bytes) : bytes;
                }
                case "records": {
                    // The package of these classes differs between versions.
                    Class<?> records = Class.forName(type.getName().replace("BaseRecords", "MemoryRecords"));
                    ByteBuffer bytes = ByteBuffer.wrap(string(depth).getBytes(StandardCharsets.UTF_8));
                    return records.getMethod("readableRecords", ByteBuffer.class).invoke(null, bytes);
                }
                default: {
                    Message struct = (Message) Class.forName(outer.getName() + "$" + text).getDeclaredConstructor().newInstance();
                    fill(struct, fields(text, field), depth + 1);
                    return struct;
                }
            }
        }

        long pick(long lowest, long highest, int typical) {
            return switch (filling) {
                case EMPTY -> 0;
                case LOWEST -> lowest;
                case HIGHEST -> highest;
                default -> random.nextInt(typical + 1);
            };
        }

        String string(int depth) {
            return switch (filling) {
                case EMPTY -> "";
                case LOWEST -> "é€😀".repeat(depth < 9 ? 30 : 1);
                case HIGHEST -> depth == 0 ? "x".repeat(Short.MAX_VALUE) : "\u0000\uffff" + "y".repeat(depth < 9 ? 124 : 0);
                default -> "s" + random.nextInt(100);
            };
        }

        JsonNode fields(String struct, JsonNode field) {
            if (field.has("fields")) return field.get("fields");
            for (JsonNode common : schema.path("commonStructs")) {
                if (common.get("name").asText().equals(struct)) return common.get("fields");
            }
            // Declared at another field of the same message.
            for (JsonNode parent : schema.findParents("fields")) {
                if (parent.path("type").asText().replace("[]", "").equals(struct)) return parent.get("fields");
            }
            throw new IllegalStateException(struct);
        }
    }

    static boolean isStruct(String type) {
        return Character.isUpperCase(type.charAt(0));
    }

    static Method setter(Message message, String field) {
        String name = "set" + Character.toUpperCase(field.charAt(0)) + field.substring(1);
        return Arrays.stream(message.getClass().getMethods())
            .filter(method -> method.getName().equals(name) && method.getParameterCount() == 1)
            .findFirst().orElseThrow();
    }

    /** `3`, `3-5`, `3+` or `none`. */
    static boolean contains(String versions, short version) {
        if (versions.equals("none")) return false;
        if (versions.endsWith("+")) return version >= Integer.parseInt(versions.substring(0, versions.length() - 1));
        String[] ends = versions.split("-");
        return version >= Integer.parseInt(ends[0]) && version <= Integer.parseInt(ends[ends.length - 1]);
    }

    // The file.

    static void add(short key, int kind, short version, int filling, byte[] bytes) throws IOException {
        ByteBuffer id = ByteBuffer.allocate(6 + bytes.length);
        id.putShort(key).put((byte) kind).putShort(version).put((byte) filling).put(bytes).flip();
        // Errors and keys: of the newest source only.
        if (kind >= ERRORS && source == 0 || !seen.add(id)) return;
        DataOutputStream entry = new DataOutputStream(out);
        entry.writeShort(key);
        entry.writeByte(kind);
        entry.writeShort(version);
        entry.writeByte(filling);
        entry.writeByte(source);
        entry.writeInt(bytes.length);
        entry.write(bytes);
    }

    static void read(Path path) throws IOException {
        byte[] all;
        try (InputStream file = new GZIPInputStream(Files.newInputStream(path))) {
            all = file.readAllBytes();
        }
        out.write(all);
        ByteBuffer entries = ByteBuffer.wrap(all);
        while (entries.hasRemaining()) {
            ByteBuffer head = entries.slice().limit(6);
            entries.position(entries.position() + 7);
            int length = entries.getInt();
            ByteBuffer id = ByteBuffer.allocate(6 + length);
            id.put(head).put(entries.slice().limit(length)).flip();
            entries.position(entries.position() + length);
            seen.add(id);
        }
    }
}
