import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.remoting.protocol.LanguageCode;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.SerializeType;

/** Whole frames in both header encodings. */
final class VectorFrames {
  private static final int VERSION = 493;

  private VectorFrames() {}

  static List<Object> frames() throws Exception {
    List<Object> cases = new ArrayList<>();
    for (SerializeType type : SerializeType.values()) {
      cases.add(frame("a request of nothing but a code", type, request(105, 1)));
      cases.add(frame("a request with fields", type, request(105, 2, "topic", "TopicTest", "acceptStandardJsonOnly", "true")));
      cases.add(frame("a request with fields and a body", type, body(request(310, 3, "a", "group", "b", "TopicTest", "e", "-1", "g", "1700000000000"), text("hello"))));
      cases.add(frame("a request with a body only", type, body(request(34, 4), text("{\"clientID\":\"127.0.0.1@1\"}"))));
      cases.add(frame("a body of every byte", type, body(request(310, 5, "b", "T"), everyByte())));
      cases.add(frame("a oneway request", type, oneway(request(15, 6, "consumerGroup", "group", "commitOffset", "9223372036854775807"))));
      cases.add(frame("opaque 0", type, request(11, 0)));
      cases.add(frame("a negative opaque", type, request(11, -1, "queueId", "0")));
      cases.add(frame("the smallest opaque", type, request(11, Integer.MIN_VALUE)));
      cases.add(frame("the largest opaque", type, request(11, Integer.MAX_VALUE)));
      cases.add(frame("a success without remark", type, response(0, 7, null)));
      cases.add(frame("a success with fields and a body", type, body(response(0, 8, null, "nextBeginOffset", "32", "minOffset", "0"), text("stored"))));
      cases.add(frame("a success with a remark", type, response(0, 9, "FOUND", "suggestWhichBrokerId", "0")));
      cases.add(frame("a refusal", type, response(17, 10, "No topic route info in name server for the topic: T\nSee https://rocketmq.apache.org")));
      cases.add(frame("a negative code", type, response(-1000, 11, "internal")));
      cases.add(frame("a response to a oneway request", type, oneway(response(0, 12, null))));
      cases.add(frame("an empty remark", type, response(0, 13, "")));
      cases.add(frame("an empty map of fields", type, withFields(request(105, 14), new LinkedHashMap<>())));
      cases.add(frame("a field with an empty value", type, request(105, 15, "topic", "", "b", "1")));
      cases.add(frame("an empty body", type, body(request(310, 17), new byte[0])));
      cases.add(frame("unicode everywhere", type, body(response(1, 18, "\u5931\u8d25: \ud83d\ude00 caf\u00e9", "\u4e3b\u9898", "\u8ba2\u5355\ud83d\ude00"), text("\u4f60\u597d \ud83d\ude00"))));
      cases.add(frame("control characters", type, response(1, 19, "\"quoted\" \\ \t\r\n\b\f\u0000\u0001\u001f\u007f\u0085\u2028\u2029/", "properties", "KEYS\u0001k\u0002TAGS\u0001t\u0002")));
      cases.add(frame("text that looks like numbers and markup", type, response(1, 20, "<b>&amp;'</b>", "n", "1e3", "t", "true", "x", "null")));
      cases.add(frame("names of JavaScript", type, request(105, 21, "__proto__", "x", "constructor", "y", "toString", "z")));
      cases.add(frame("a long value", type, request(310, 22, "i", "0123456789abcdef".repeat(256))));
      cases.add(frame("many fields", type, withFields(request(310, 23), manyFields())));
    }
    // Java reads an empty name of a binary header as null.
    cases.add(frame("a field with an empty name", SerializeType.JSON, request(105, 16, "", "v")));
    // The code of a binary header is 16 bits wide, so POP's codes exist as JSON only.
    cases.add(frame("a code beyond 16 bits", SerializeType.JSON, request(200050, 24, "topic", "T")));
    for (LanguageCode language : LanguageCode.values()) {
      for (SerializeType type : SerializeType.values()) {
        RemotingCommand command = request(105, 25);
        command.setLanguage(language);
        cases.add(frame("language " + language, type, command));
      }
    }
    return cases;
  }

  private static Object frame(String name, SerializeType type, RemotingCommand command) throws Exception {
    command.setSerializeTypeCurrentRPC(type);
    Map<String, Object> input = fields(command);
    ByteBuffer frame = command.encode();
    return Args.map("name", name, "serializeType", type, "hex", MessageFields.hex(frame.array()), "input", input, "decoded", decode(frame.array()));
  }

  static Map<String, Object> decode(byte[] frame) throws Exception {
    RemotingCommand command = RemotingCommand.decode(ByteBuffer.wrap(frame, 4, frame.length - 4).slice());
    Map<String, Object> fields = fields(command);
    fields.put("serializeType", command.getSerializeTypeCurrentRPC());
    return fields;
  }

  private static Map<String, Object> fields(RemotingCommand command) {
    return Args.map("code", command.getCode(), "language", command.getLanguage(), "languageCode", (int) command.getLanguage().getCode(), "version", command.getVersion(),
        "opaque", command.getOpaque(), "flag", command.getFlag(), "remark", command.getRemark(),
        "extFields", command.getExtFields() == null ? null : new LinkedHashMap<>(command.getExtFields()),
        "bodyHex", command.getBody() == null ? null : MessageFields.hex(command.getBody()));
  }

  private static RemotingCommand request(int code, int opaque, String... extFields) {
    RemotingCommand command = RemotingCommand.createRequestCommand(code, null);
    return head(command, opaque, extFields);
  }

  private static RemotingCommand response(int code, int opaque, String remark, String... extFields) {
    RemotingCommand command = RemotingCommand.createResponseCommand(code, remark);
    return head(command, opaque, extFields);
  }

  private static RemotingCommand head(RemotingCommand command, int opaque, String... extFields) {
    command.setOpaque(opaque);
    command.setVersion(VERSION);
    if (extFields.length == 0) return command;
    LinkedHashMap<String, String> fields = new LinkedHashMap<>();
    for (int i = 0; i < extFields.length; i += 2) fields.put(extFields[i], extFields[i + 1]);
    return withFields(command, fields);
  }

  /** A linked map, so that the fields stay in the order in which they were given. */
  private static RemotingCommand withFields(RemotingCommand command, LinkedHashMap<String, String> fields) {
    command.setExtFields(fields);
    return command;
  }

  private static RemotingCommand oneway(RemotingCommand command) {
    command.markOnewayRPC();
    return command;
  }

  private static RemotingCommand body(RemotingCommand command, byte[] body) {
    command.setBody(body);
    return command;
  }

  private static byte[] text(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] everyByte() {
    byte[] bytes = new byte[256];
    for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) i;
    return bytes;
  }

  private static LinkedHashMap<String, String> manyFields() {
    LinkedHashMap<String, String> fields = new LinkedHashMap<>();
    for (int i = 0; i < 100; i++) fields.put("field" + i, String.valueOf(i * 37));
    return fields;
  }
}
