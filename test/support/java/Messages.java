import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;

/**
 * Builds messages from specifications.
 *
 * <p>One message: {body, tags, keys: string | string[], properties: {}, rawProperties: {}, flag, delayTimeLevel, delayTimeMs, deliverTimeMs,
 * priority, queueId, brokerName}. Its body is {text}, {base64} or {seed, index, size}. rawProperties skips the client's check of reserved names.
 *
 * <p>Many: `messages` is the path of a file with one such object a line, or `count`, `seed` and `size` make message i with the body of (seed, i,
 * size), the tag T(i mod 3), the key k(i) and the property index = i.
 */
final class Messages {
  private static final int STEP = 0x9E3779B1;
  private static final int INSTEAD_OF_ZERO = 0x6D2B79F5;

  private Messages() {}

  /** A message and the queue it is meant for; queueId is -1 where the client may choose. */
  static final class Spec {
    final Message message;
    final int queueId;
    final String brokerName;

    Spec(Message message, int queueId, String brokerName) {
      this.message = message;
      this.queueId = queueId;
      this.brokerName = brokerName;
    }
  }

  static List<Spec> read(Args args) throws IOException {
    List<Spec> specs = new ArrayList<>();
    String topic = args.text("topic");
    if (args.has("messages")) {
      for (String line : Files.readAllLines(Paths.get(args.text("messages")), StandardCharsets.UTF_8)) {
        if (!line.isEmpty()) specs.add(spec(topic, Args.of(Json.parse(line))));
      }
      return specs;
    }
    for (int i = 0; i < args.number("count"); i++) {
      Message message = new Message(topic, body((int) args.number("seed"), i, (int) args.number("size", 100)));
      message.setTags("T" + i % 3);
      message.setKeys("k" + i);
      message.putUserProperty("index", String.valueOf(i));
      specs.add(new Spec(message, -1, null));
    }
    return specs;
  }

  @SuppressWarnings("unchecked")
  private static Spec spec(String topic, Args spec) {
    Message message = new Message(topic, bodyOf(spec.get("body")));
    if (spec.has("tags")) message.setTags(spec.text("tags"));
    if (spec.has("keys")) message.setKeys((Collection<String>) spec.list("keys"));
    if (spec.has("flag")) message.setFlag((int) spec.number("flag"));
    if (spec.has("delayTimeLevel")) message.setDelayTimeLevel((int) spec.number("delayTimeLevel"));
    TimingVerbs.time(message, spec);
    for (Map.Entry<String, Object> property : spec.object("properties").entrySet()) {
      message.putUserProperty(property.getKey(), (String) property.getValue());
    }
    for (Map.Entry<String, Object> property : spec.object("rawProperties").entrySet()) {
      MessageAccessor.putProperty(message, property.getKey(), (String) property.getValue());
    }
    return new Spec(message, (int) spec.number("queueId", -1), spec.text("brokerName", null));
  }

  private static byte[] bodyOf(Object value) {
    Args body = Args.of(value);
    if (body.has("text")) return body.text("text").getBytes(StandardCharsets.UTF_8);
    if (body.has("base64")) return Base64.getDecoder().decode(body.text("base64"));
    return body((int) body.number("seed"), (int) body.number("index", 0), (int) body.number("size"));
  }

  /**
   * The same bytes as `bodyOf(seed, index, size)` of deterministic-body.ts.
   *
   * <p>All arithmetic is modulo 2^32. x = seed xor (index * 0x9E3779B1), or 0x6D2B79F5 where that is 0. For each four bytes: x ^= x &lt;&lt; 13;
   * x ^= x &gt;&gt;&gt; 17; x ^= x &lt;&lt; 5; then x's bytes, the lowest first. The last word is cut off at `size`.
   */
  static byte[] body(int seed, int index, int size) {
    byte[] body = new byte[size];
    int x = seed ^ (index * STEP);
    if (x == 0) x = INSTEAD_OF_ZERO;
    for (int i = 0; i < size; i++) {
      if (i % 4 == 0) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
      }
      body[i] = (byte) (x >>> (i % 4 * 8));
    }
    return body;
  }
}
