// Kafka's own message classes, driven line by line.
//   parse CLASS VERSION HEX   ->  HEX JSON   the bytes read and written again, and what was read
//   build CLASS VERSION JSON  ->  HEX        the message that the JSON describes
//   carry CLASS VERSION/OTHER HEX  ->  HEX   the bytes of one version read and written in another
//   facts KEY  ->  whether brokers and controllers answer it, the stable versions, the first that ApiVersions names, and "request/response" header of each version
// A line that fails is answered by "! REASON".

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

public class Differential {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.write(answer(line.split(" ", 4)));
            out.write('\n');
        }
        out.flush();
    }

    private static String answer(String[] words) {
        try {
            if (words[0].equals("facts")) {
                return facts(ApiKeys.forId(Integer.parseInt(words[1])));
            }
            Class<?> kind = Class.forName(words[1]);
            Class<?> converter = Class.forName(words[1] + "JsonConverter");
            String[] versions = words[2].split("/");
            short version = Short.parseShort(versions[0]);
            if (words[0].equals("build")) {
                JsonNode json = MAPPER.readTree(words[3]);
                return hex((Message) converter.getMethod("read", JsonNode.class, short.class).invoke(null, json, version), version);
            }
            Message message = (Message) kind.getConstructor().newInstance();
            ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(words.length < 4 ? "" : words[3]));
            message.read(new ByteBufferAccessor(bytes), version);
            if (bytes.hasRemaining()) {
                return "! " + bytes.remaining() + " bytes are left";
            }
            if (words[0].equals("carry")) {
                return hex(message, Short.parseShort(versions[1]));
            }
            Object json = converter.getMethod("write", kind, short.class).invoke(null, message, version);
            return hex(message, version) + " " + MAPPER.writeValueAsString(json);
        } catch (ReflectiveOperationException e) {
            return "! " + (e.getCause() == null ? e : e.getCause());
        } catch (Exception e) {
            return "! " + e;
        }
    }

    private static String facts(ApiKeys key) {
        boolean broker = key.inScope(ApiMessageType.ListenerType.BROKER);
        boolean controller = key.inScope(ApiMessageType.ListenerType.CONTROLLER);
        var named = key.toApiVersionForApiResponse(false, broker ? ApiMessageType.ListenerType.BROKER : ApiMessageType.ListenerType.CONTROLLER).orElseThrow();
        var out = new StringBuilder(broker + "," + controller + " " + key.name + " " + key.oldestVersion() + " " + key.latestVersion(false) + " " + named.minVersion());
        for (short version = key.oldestVersion(); version <= key.latestVersion(false); version++) {
            out.append(" " + key.requestHeaderVersion(version) + "/" + key.responseHeaderVersion(version));
        }
        return out.toString();
    }

    private static String hex(Message message, short version) {
        var cache = new ObjectSerializationCache();
        ByteBuffer bytes = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(bytes), cache, version);
        return HexFormat.of().formatHex(bytes.array(), 0, bytes.position());
    }
}
