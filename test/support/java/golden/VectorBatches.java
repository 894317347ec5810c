import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageBatch;
import org.apache.rocketmq.common.message.MessageDecoder;

/** Bodies of batches, as they are sent and as an inner batch is stored. */
final class VectorBatches {
  private VectorBatches() {}

  static List<Object> batches() throws Exception {
    Message plain = message(0, "first", "UNIQ_KEY", "7F0000010BB8070DEA4E23A1B2C30001", "WAIT", "true");
    Message tagged = message(42, "second", "TAGS", "TagA", "KEYS", "k1 k2", "UNIQ_KEY", "7F0000010BB8070DEA4E23A1B2C30002", "WAIT", "true");
    Message unicode = message(-1, "\u4f60\u597d \ud83d\ude00", "KEYS", "\u8ba2\u5355-1", "\u540d\u524d", "\u5024\ud83d\ude00", "UNIQ_KEY", "7F0000010BB8070DEA4E23A1B2C30003", "WAIT", "true");
    Message bare = message(0, "no properties at all");
    List<Message> many = new ArrayList<>();
    for (int i = 0; i < 40; i++) many.add(message(i, "message " + i, "index", String.valueOf(i)));
    return Arrays.asList(
        batch("one message", Arrays.asList(plain), false),
        batch("two messages", Arrays.asList(plain, tagged), false),
        batch("unicode", Arrays.asList(unicode, plain), false),
        batch("without properties", Arrays.asList(bare, bare), false),
        batch("many", many, false),
        batch("an inner batch", Arrays.asList(plain, tagged, unicode, bare), true));
  }

  private static Object batch(String name, List<Message> messages, boolean inner) throws Exception {
    List<Object> input = fields(messages);
    byte[] body = MessageBatch.generateFromList(messages).encode();
    List<Object> decoded = fields(MessageDecoder.decodeMessages(ByteBuffer.wrap(body)));
    Map<String, Object> result = Args.map("name", name, "messages", input, "hex", MessageFields.hex(body), "decoded", decoded);
    if (inner) {
      byte[] stored = StoredMessage.innerBatch(body, messages.size()).encode();
      result.put("storedHex", MessageFields.hex(stored));
      result.put("unwrapped", StoredMessage.decodeAll(stored));
    }
    return result;
  }

  private static List<Object> fields(List<Message> messages) {
    List<Object> result = new ArrayList<>();
    for (Message message : messages) {
      result.add(Args.map("flag", message.getFlag(), "bodyHex", MessageFields.hex(message.getBody()), "properties",
          message.getProperties() == null ? null : new LinkedHashMap<>(message.getProperties())));
    }
    return result;
  }

  /** A message with exactly these properties, in this order: what Message adds by itself (WAIT) is gone. */
  static Message message(int flag, String body, String... properties) {
    Message message = new Message();
    message.setTopic("TopicTest");
    message.setFlag(flag);
    message.setBody(body.getBytes(StandardCharsets.UTF_8));
    Map<String, String> map = new LinkedHashMap<>();
    for (int i = 0; i < properties.length; i += 2) map.put(properties[i], properties[i + 1]);
    MessageAccessor.setProperties(message, map);
    return message;
  }
}
